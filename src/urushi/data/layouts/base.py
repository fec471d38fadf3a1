"""What every layout says: whether a folder looks like it, and which samples lie there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from urushi.data.folders import images_below, images_in, is_folder
from urushi.data.samples import Problem, Sample, Split


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder."""

    samples: list[Sample]
    problems: list[Problem]


class Layout(ABC):
    """One way in which data sets lie on disk."""

    expects: ClassVar[str]  # what an error message tells the user to provide
    is_fallback: ClassVar[bool] = False  # used only where no other layout matches

    @abstractmethod
    def matches(self, root: Path) -> bool:
        """Whether a folder looks like this layout, be it incomplete."""

    @abstractmethod
    def find(self, root: Path) -> Found:
        """Every sample and every problem below a folder; raises DatasetError where nothing can be made of it."""


def samples_in(folder: Path, split: Split, label: int, defect: str, masks: "MaskFolder | None" = None) -> Found:
    """All images below a folder as samples of one kind, each with its mask if there is one; an absent one has none."""
    found = list(images_below(folder)) if is_folder(folder) else []
    images = [entry for entry in found if isinstance(entry, Path)]
    samples = [
        Sample(path, split, label, defect, masks.take(path.relative_to(folder)) if masks else None) for path in images
    ]
    return Found(samples, [entry for entry in found if isinstance(entry, Problem)])


def together(*parts: Found) -> Found:
    """What several searches found, one after the other."""
    return Found(
        [sample for part in parts for sample in part.samples],
        [problem for part in parts for problem in part.problems],
    )


def stray_images(folder: Path, reason: str) -> list[Problem]:
    """A Problem for each image that lies directly in a folder where there should be folders only."""
    return [Problem(path, reason) for path in images_in(folder)]


class MaskFolder:
    """The masks of one kind of defect, `<stem>_mask.png` beside `<stem>.*`, and which of them found their image."""

    def __init__(self, folder: Path) -> None:
        entries = list(images_below(folder)) if is_folder(folder) else []
        self._problems = [entry for entry in entries if isinstance(entry, Problem)]
        self._masks: dict[Path, Path] = {}
        for entry in entries:
            if isinstance(entry, Path):
                self._add(entry, entry.relative_to(folder))
        self.n_masks = len(self._masks)

    def take(self, image: Path) -> Path | None:
        """The mask of an image, given relative to its folder; None if there is none or it was taken already."""
        return self._masks.pop(image.with_name(f"{image.stem}_mask"), None)

    def problems(self) -> list[Problem]:
        """What could not be searched, and the masks that no image has taken."""
        left = [Problem(mask, "this mask matches no image") for mask in self._masks.values()]
        return self._problems + left

    def _add(self, mask: Path, relative: Path) -> None:
        key = relative.with_name(relative.stem)
        if key in self._masks:
            self._problems.append(Problem(mask, f"a second mask beside {self._masks[key].name!r}; it is not used"))
        self._masks.setdefault(key, mask)

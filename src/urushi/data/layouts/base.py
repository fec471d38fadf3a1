"""What every layout says: whether a folder looks like it, and which samples lie there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from urushi.data.folders import has_image_suffix, images_below, images_in, is_folder, walk
from urushi.data.samples import Problem, Sample, Split

_ENDINGS = ("_mask", "", "_gt", "_label")  # of the name of a mask, the usual one first


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
    """The masks of one kind of defect, and which of them found their image.

    The mask of `<stem>.*` is `<stem>_mask.*`, `<stem>.*`, `<stem>_gt.*` or `<stem>_label.*`, or all of the folder
    `<stem>` together (MVTec LOCO).
    """

    def __init__(self, folder: Path) -> None:
        entries = list(walk(folder)) if is_folder(folder) else []
        self._folder = folder
        self._problems = [entry for entry in entries if isinstance(entry, Problem)]
        files = [entry for entry in entries if isinstance(entry, Path)]
        self._masks = _by_key(folder, [file for file in files if has_image_suffix(file)])
        self._others = _by_key(folder, [file for file in files if not has_image_suffix(file)])
        self.n_masks = sum(map(len, self._masks.values()))

    def take(self, image: Path) -> Path | None:
        """The mask of an image, given relative to its folder; None if there is none or it was taken already."""
        keys = [image.with_name(image.stem + ending) for ending in _ENDINGS]
        found = [mask for key in keys for mask in self._masks.pop(key, [])]
        if found:
            reason = f"a second mask beside {found[0].name!r}; it is not used"
            self._problems += [Problem(mask, reason) for mask in found[1:]]
            return found[0]
        folder = self._take_folder(image.with_name(image.stem))
        if folder is None:
            self._report_others(keys)
        return folder

    def problems(self) -> list[Problem]:
        """What could not be searched or is not used, and the masks that no image has taken."""
        left = [Problem(mask, "this mask matches no image") for masks in self._masks.values() for mask in masks]
        return self._problems + left

    def _take_folder(self, wanted: Path) -> Path | None:
        """A folder of masks of one image; one whose files are named as the masks of images is none."""
        keys = [key for key in self._masks if key.parent == wanted]
        if not keys or any(key.name.endswith(ending) for key in keys for ending in _ENDINGS if ending):
            return None
        for key in keys:
            del self._masks[key]
        return self._folder / wanted

    def _report_others(self, keys: list[Path]) -> None:
        others = [other for key in keys for other in self._others.pop(key, [])]
        reason = "masks are not read from this kind of file; save it as PNG"
        self._problems += [Problem(other, reason) for other in others]


def _by_key(folder: Path, files: list[Path]) -> dict[Path, list[Path]]:
    """Files by their relative paths without suffix, the usual endings in small letters."""
    found: dict[Path, list[Path]] = {}
    for file in files:
        relative = file.relative_to(folder)
        ending = next((e for e in _ENDINGS if e and relative.stem.lower().endswith(e)), "")
        name = relative.stem[: len(relative.stem) - len(ending)] + ending
        found.setdefault(relative.with_name(name), []).append(file)
    return found

"""What every layout says: whether a folder looks like it, and which samples lie there."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from urushi.data.folders import has_image_suffix, images_below, images_in, is_folder, subfolders, walk
from urushi.data.masks import read_mask
from urushi.data.names import Names
from urushi.data.parts import Parts, parts_among, parts_below
from urushi.data.samples import GOOD, LABELLED, Problem, Sample, Split
from urushi.errors import UnreadableImageError

_NOT_GOOD = ("mask", "defect")
_NOT_DEFECT = ("mask",)  # a name that says good may be a grade of the defect: scratch/fine
_MARKED = "{} images count as defective, since their label images or masks mark something"

_ENDINGS = ("_mask", "", "_gt", "_label")  # of the name of a mask, the usual one first


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder."""

    samples: list[Sample]
    problems: list[Problem]


class Layout(ABC):
    """One way in which data sets lie on disk."""

    expects: ClassVar[str]  # what an error message tells the user to provide
    is_loose: ClassVar[bool] = False  # used only where none matches that is not loose
    is_fallback: ClassVar[bool] = False  # used only where no other layout matches

    def __init__(self, names: Names = Names()) -> None:  # noqa: B008  it never changes
        self.names = names

    @abstractmethod
    def matches(self, root: Path) -> bool:
        """Whether a folder looks like this layout, be it incomplete."""

    @abstractmethod
    def find(self, root: Path) -> Found:
        """Every sample and every problem below a folder; raises DatasetError where nothing can be made of it."""


def samples_in(
    folder: Path,
    split: Split,
    label: int,
    defect: str,
    masks: "MaskFolder | None" = None,
    *,
    names: Names = Names(),  # noqa: B008  it never changes
    ruled_out: Sequence[str] = (),
) -> Found:
    """All parts below a folder as samples of one kind, each with its mask if there is one; an absent one has none.

    Left out, and said, are folders of masks, label images beside images, for good samples folders named like defects,
    and whatever else is ruled out. A good image whose label image marks something is a defective test image.
    """
    parts = parts_below(folder, names, (*(_NOT_DEFECT if label else _NOT_GOOD), *ruled_out))
    plain = [
        Sample(path, split, label, defect, masks.take(path.relative_to(folder)) if masks else None)
        for path in parts.images
    ]
    samples, unreadable = _with_labels(plain, parts)
    return Found(samples, [*parts.problems, *parts.notices(), *_label_notices(parts, plain, samples), *unreadable])


def labelled_in(folder: Path, split: Split) -> Found:
    """The images directly in a folder that have label images beside them, which say whether they are good."""
    parts = parts_among(images_in(folder), folder, Names(), ())
    plain = [Sample(path, split, 0, GOOD, None) for path in parts.images if path in parts.labels]
    samples, unreadable = _with_labels(plain, parts)
    return Found(samples, [*_label_notices(parts, plain, samples), *unreadable])


def _with_labels(samples: list[Sample], parts: Parts) -> tuple[list[Sample], list[Problem]]:
    """The samples as the label images beside them say."""
    found, problems = [], []
    for sample in samples:
        labels = parts.labels.get(sample.path, [])
        try:
            found.append(_as_labelled(sample, labels) if labels else sample)
        except UnreadableImageError as error:
            problems.append(Problem(sample.path, f"is left out: its label image cannot be read: {error.reason}"))
    return found, problems


def _as_labelled(sample: Sample, labels: list[Path]) -> Sample:
    """Anomalous if a label image marks anything, its mask if it is the only one; raises UnreadableImageError."""
    mask = sample.mask or (labels[0] if len(labels) == 1 else None)
    if sample.label:
        return replace(sample, mask=mask)
    is_marked = any(read_mask(label).any() for label in labels)
    return Sample(sample.path, "test", 1, LABELLED, mask) if is_marked else sample


def _label_notices(parts: Parts, before: list[Sample], after: list[Sample]) -> list[Problem]:
    """One for each folder with label images, or with images that these or masks call defective."""
    was_good = {sample.path for sample in before if not sample.label}
    marked = Counter(sample.path.parent for sample in after if sample.label and sample.path in was_good)
    beside = {notice.path: [notice.reason] for notice in parts.label_notices()}
    said = {folder: [*beside.get(folder, []), _MARKED.format(n)] for folder, n in marked.items()}
    return [Problem(folder, "; ".join(reasons)) for folder, reasons in (beside | said).items()]


def together(*parts: Found) -> Found:
    """What several searches found, one after the other."""
    return Found(
        [sample for part in parts for sample in part.samples],
        [problem for part in parts for problem in part.problems],
    )


def stray_images(folder: Path, reason: str) -> list[Problem]:
    """A Problem for each image that lies directly in a folder where there should be folders only."""
    return [Problem(path, reason) for path in images_in(folder)]


def visible(folder: Path) -> list[Path]:
    """The folders directly in a folder without those that programs put there: .ipynb_checkpoints, __MACOSX."""
    return [inner for inner in subfolders(folder) if not _is_hidden(inner)]


def hidden(folder: Path) -> list[Problem]:
    """A Problem for each folder of a program that holds images."""
    found = (inner for inner in subfolders(folder) if _is_hidden(inner) and any(images_below(inner)))
    return [Problem(inner, "is not read: a hidden folder") for inner in found]


def _is_hidden(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name == "__MACOSX"


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

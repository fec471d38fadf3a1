"""What every layout says: whether a folder looks like it, and which samples lie there."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

from urushi.data.folders import images_below, images_in, subfolders
from urushi.data.layouts._mask_folder import MaskFolder
from urushi.data.masks import read_mask
from urushi.data.names import Names
from urushi.data.parts import Parts, parts_among, parts_below
from urushi.data.samples import GOOD, LABELLED, Problem, Sample, Split
from urushi.errors import UnreadableImageError
from urushi.printable import counted

_NOT_GOOD = ("mask", "defect")
_NOT_DEFECT = ("mask",)  # a name that says good may be a grade of the defect: scratch/fine


@dataclass(frozen=True)
class Found:
    """What a layout found below a folder."""

    samples: list[Sample]
    problems: list[Problem]


class Rank(IntEnum):
    """Of the layouts that match, those of the lowest rank count."""

    strict = 0
    loose = 1
    fallback = 2  # matches any folder


class Layout(ABC):
    """One way in which data sets lie on disk."""

    expects: ClassVar[str]  # what an error message tells the user to provide
    rank: ClassVar[Rank] = Rank.strict

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
    masks: MaskFolder | None = None,
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
    said = {folder: [*beside.get(folder, []), _marked(n)] for folder, n in marked.items()}
    return [Problem(folder, "; ".join(reasons)) for folder, reasons in (beside | said).items()]


def _marked(n: int) -> str:
    return f"{counted(n, 'image counts', 'images count')} as defective by label images or masks that mark something"


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

"""Folders named good and bad side by side: good beside scratch and dent, OK beside NG, normal beside abnormal."""

from collections import defaultdict
from pathlib import Path

from urushi.data.folders import images_below, subfolders
from urushi.data.layouts.base import Found, Layout, MaskFolder, samples_in, stray_images, together
from urushi.data.names import Meaning, plain
from urushi.data.samples import GOOD, Problem, Sample


class Labelled(Layout):
    """Folders whose names are labels; what is beside a good one and says nothing else is a kind of defect."""

    expects = "a folder named good (or ok, normal …) beside folders of defects, and a good one named test, or good/test"
    is_loose = True

    def matches(self, root: Path) -> bool:
        """Whether a folder named like good lies beside one of defects, of masks, of good test images or unknown."""
        meanings = [self.names.of(folder.name) for folder in subfolders(root) if _holds_images(folder)]
        return Meaning("good") in meanings and any(meaning != Meaning("good") for meaning in meanings)

    def find(self, root: Path) -> Found:
        """Good images to learn from or, where a name says test, to test with; all others to test with."""
        groups: dict[str, list[Path]] = defaultdict(list)
        for folder in subfolders(root):
            groups[self._kind(folder)].append(folder)
        masks = _Masks(groups["mask"], groups["defect"])
        return together(
            *(self._good(folder) for folder in groups["good"]),
            *(self._defects(folder, masks) for folder in groups["defect"]),
            *(self._within_split(folder, masks) for folder in groups["split"]),
            Found([], masks.problems()),
            Found([], stray_images(root, "is not read: it lies beside the folders that say what is good")),
        )

    def _kind(self, folder: Path) -> str:
        meaning = self.names.of(folder.name)
        return meaning.kind or ("split" if meaning.split else "defect")

    def _good(self, folder: Path) -> Found:
        found = samples_in(folder, "train", 0, GOOD, names=self.names)
        return Found([self._in_its_split(sample, folder) for sample in found.samples], found.problems)

    def _in_its_split(self, sample: Sample, folder: Path) -> Sample:
        """A good sample in the split that its folders name, the innermost first."""
        if sample.label:
            return sample
        folders = [sample.path.parent, *sample.path.parent.parents]
        splits = [self.names.of(one.name).split for one in folders if one == folder or folder in one.parents]
        split = next((split for split in splits if split), "train")
        return Sample(sample.path, split, 0, GOOD, sample.mask)

    def _defects(self, folder: Path, masks: "_Masks") -> Found:
        return samples_in(folder, "test", 1, folder.name, masks.of(folder), names=self.names)

    def _within_split(self, folder: Path, masks: "_Masks") -> Found:
        """train or test beside a good folder: its own folders say what is in it."""
        unlabelled = stray_images(folder, "")
        problems = [Problem(folder, f"{len(unlabelled)} images are not read: no folder says whether they are good")]
        parts = [Found([], problems if unlabelled else [])]
        for kind in subfolders(folder):
            found = self._kind(kind)
            parts += [self._good_of(kind, folder)] if found == "good" else []
            parts += [self._defects(kind, masks)] if found == "defect" else []
        return together(*parts)

    def _good_of(self, kind: Path, folder: Path) -> Found:
        found = samples_in(kind, "train", 0, GOOD, names=self.names)
        return Found([self._in_its_split(sample, folder) for sample in found.samples], found.problems)


class _Masks:
    """Masks in folders beside those of defects: mask/<defect>, or mask itself where there is one kind of defect."""

    def __init__(self, folders: list[Path], defects: list[Path]) -> None:
        self._folders = folders
        inner = {plain(kind.name): kind for folder in folders for kind in subfolders(folder)}
        if not inner and len(folders) == len(defects) == 1:
            inner = {plain(defects[0].name): folders[0]}
        self._masks = {name: MaskFolder(folder) for name, folder in inner.items()}

    def of(self, defect: Path) -> MaskFolder | None:
        """The masks of one kind of defect."""
        return self._masks.get(plain(defect.name))

    def problems(self) -> list[Problem]:
        """One for each folder of masks of which some are nobody's."""
        left = {folder: self._n_left(folder) for folder in self._folders}
        return [Problem(folder, f"{n} masks are left out: they match no image") for folder, n in left.items() if n]

    def _n_left(self, folder: Path) -> int:
        known = {problem.path for masks in self._masks.values() for problem in masks.problems()}
        taken_from = bool(self._masks)
        below = [entry for entry in images_below(folder) if isinstance(entry, Path)]
        return sum(entry in known for entry in below) if taken_from else len(below)


def _holds_images(folder: Path) -> bool:
    return any(isinstance(entry, Path) for entry in images_below(folder))

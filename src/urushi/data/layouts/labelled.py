"""Folders named good and bad side by side: good beside scratch and dent, OK beside NG, normal beside abnormal."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from urushi.data.folders import images_below, images_in, subfolders
from urushi.data.layouts._mask_folder import MaskFolder
from urushi.data.layouts.base import Found, Layout, Rank, hidden, samples_in, together, visible
from urushi.data.masks import mask_files
from urushi.data.names import Meaning, plain
from urushi.data.samples import GOOD, Problem, Sample
from urushi.printable import counted

_UNMATCHED = ("mask is left out: it matches no image", "masks are left out: they match no image")


class Labelled(Layout):
    """Folders whose names are labels; what is beside a good one and says nothing else is a kind of defect."""

    expects = "a folder named good (or ok, normal …) beside folders of defects, and a good one named test, or good/test"
    rank = Rank.loose

    def matches(self, root: Path) -> bool:
        """Whether a folder named like good lies beside one of defects, of masks, of good test images or unknown."""
        meanings = [self.names.of(folder.name) for folder in visible(root) if _holds_images(folder)]
        return Meaning("good") in meanings and any(meaning != Meaning("good") for meaning in meanings)

    def find(self, root: Path) -> Found:
        """Good images to learn from or, where a name says test, to test with; all others to test with."""
        groups: dict[str, list[Path]] = defaultdict(list)
        for folder in visible(root):
            groups[self._kind(folder)].append(folder)
        masks = _masks(groups["mask"], groups["defect"])
        found = together(
            *(self._good(folder, folder) for folder in groups["good"]),
            *(self._defects(folder, masks) for folder in groups["defect"]),
            *(self._within_split(folder, masks) for folder in groups["split"]),
        )
        taken = {file for sample in found.samples for file in mask_files(sample.mask)}
        notices = [_unread(root, "they lie beside the folders that say what is good")]
        notices += [_left(folder, taken) for folder in groups["mask"]]
        return together(found, *notices, Found([], hidden(root)))

    def _kind(self, folder: Path) -> str:
        meaning = self.names.of(folder.name)
        return meaning.kind or ("split" if meaning.split else "defect")

    def _good(self, folder: Path, top: Path) -> Found:
        found = samples_in(folder, "train", 0, GOOD, names=self.names)
        return Found([self._in_its_split(sample, top) for sample in found.samples], found.problems)

    def _in_its_split(self, sample: Sample, top: Path) -> Sample:
        """A good sample in the split that its folders name, the innermost first."""
        folders = [folder for folder in sample.path.parents if folder == top or top in folder.parents]
        splits = [split for folder in folders if (split := self.names.of(folder.name).split)]
        return replace(sample, split=splits[0]) if splits and not sample.label else sample

    def _defects(self, folder: Path, masks: dict[str, MaskFolder]) -> Found:
        return samples_in(folder, "test", 1, folder.name, masks.get(plain(folder.name)), names=self.names)

    def _within_split(self, folder: Path, masks: dict[str, MaskFolder]) -> Found:
        """A folder named train or test beside a good one: its own folders say what is in it."""
        kinds = [(kind, self._kind(kind)) for kind in visible(folder)]
        return together(
            *(self._good(kind, folder) for kind, says in kinds if says == "good"),
            *(self._defects(kind, masks) for kind, says in kinds if says == "defect"),
            _unread(folder, "no folder says whether they are good"),
        )


def _masks(folders: list[Path], defects: list[Path]) -> dict[str, MaskFolder]:
    """By plain names of defects: the masks in mask/<defect>, or those in mask where there is one kind of defect."""
    inner = {plain(kind.name): kind for folder in folders for kind in subfolders(folder)}
    if len(folders) == len(defects) == 1 and plain(defects[0].name) not in inner:
        inner = {plain(defects[0].name): folders[0]}
    return {name: MaskFolder(folder) for name, folder in inner.items()}


def _left(folder: Path, taken: set[Path]) -> Found:
    n = sum(isinstance(entry, Path) and entry not in taken for entry in images_below(folder))
    return Found([], [Problem(folder, counted(n, *_UNMATCHED))] if n else [])


def _unread(folder: Path, reason: str) -> Found:
    n = len(images_in(folder))
    unread = f"{counted(n, 'image directly in it is', 'images directly in it are')} not read: {reason}"
    return Found([], [Problem(folder, unread)] if n else [])


def _holds_images(folder: Path) -> bool:
    return any(isinstance(entry, Path) for entry in images_below(folder))

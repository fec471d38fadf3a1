"""The layout of MVTec AD: train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png.

Bergmann et al., "MVTec AD — A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection", CVPR 2019.
"""

from pathlib import Path

from urushi.data.folders import images_in, is_folder, subfolders
from urushi.data.layouts._mask_folder import MaskFolder
from urushi.data.layouts.base import (
    Found,
    Layout,
    hidden,
    labelled_in,
    samples_in,
    stray_images,
    together,
    visible,
)
from urushi.data.names import Meaning, plain
from urushi.data.parts import owners_of_labels
from urushi.data.samples import GOOD, Problem, Sample, Split
from urushi.printable import counted

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Mvtec(Layout):
    """One category of MVTec AD, or one's own data in the same form."""

    expects = "train/good, test/good, test/<defect> and, if there are masks, ground_truth/<defect>/<stem>_mask.png"

    def matches(self, root: Path) -> bool:
        """Whether there is train/good or test/good, or both train and test, and it is not MVTec AD 2 instead."""
        train, test = self._folders(root, "train"), self._folders(root, "test")
        is_good = any(self._is_good(kind) for folder in (*train, *test) for kind in subfolders(folder))
        is_mvtec2, is_labelled = is_folder(root / "test_public"), any(map(self._is_good, subfolders(root)))
        return (is_good or bool(train and test)) and (bool(test) or not is_mvtec2) and (bool(train) or not is_labelled)

    def find(self, root: Path) -> Found:
        """Training and test samples with their masks, and whatever lies where this layout has no place for it."""
        training = together(*self._good(root, "train"), *self._directly(root, "train"))
        masks = self._masks(root)
        n_masks = sum(folder.n_masks for folder in masks.values())
        tests = [self._test(folder, masks) for folder in self._kinds(root, "test")]
        problems = [problem for folder in masks.values() for problem in folder.problems()]
        found = together(
            training,
            *self._directly(root, "test"),
            *self._good(root, "validation"),
            *tests,
            Found([], problems + self._misplaced(root)),
        )
        missing = missing_masks(found.samples) if n_masks else []
        return together(found, Found([], missing + no_training(root, training)))

    def _folders(self, root: Path, split: Split) -> list[Path]:
        """The folders of a split, whatever its spelling: train, Training."""
        return [folder for folder in subfolders(root) if self.names.of(folder.name) == Meaning(None, split)]

    def _kinds(self, root: Path, split: Split) -> list[Path]:
        return [kind for folder in self._folders(root, split) for kind in visible(folder)]

    def _is_good(self, folder: Path) -> bool:
        return self.names.of(folder.name).kind == "good"

    def _good(self, root: Path, split: Split) -> list[Found]:
        kinds = [folder for folder in self._kinds(root, split) if self._is_good(folder)]
        return [samples_in(folder, split, 0, GOOD, names=self.names) for folder in kinds]

    def _directly(self, root: Path, split: Split) -> list[Found]:
        """train/<stem>.png beside train/<stem>_label.png."""
        return [labelled_in(folder, split) for folder in self._folders(root, split)]

    def _truths(self, root: Path) -> list[Path]:
        """The folders of masks; ground_truth first, those of training images last."""
        found = [folder for folder in subfolders(root) if self.names.of(folder.name).kind == "mask"]
        return sorted(
            found, key=lambda folder: (folder.name != "ground_truth", self.names.of(folder.name).split == "train")
        )

    def _masks(self, root: Path) -> dict[str, MaskFolder]:
        """The masks of each kind of defect by its name."""
        return {kind.name: MaskFolder(kind) for truth in self._truths(root)[:1] for kind in subfolders(truth)}

    def _test(self, folder: Path, masks: dict[str, MaskFolder]) -> Found:
        """The test images of one folder; it is good, a kind of defect, or holds masks, in which case it is left out."""
        alike = (own for name, own in masks.items() if plain(name) == plain(folder.name))
        own = masks.get(folder.name) or next(alike, None)
        if self._is_good(folder):
            return samples_in(folder, "test", 0, GOOD, own, names=self.names)
        if own is None and self.names.of(folder.name).kind == "mask":
            return Found([], [Problem(folder, "is not read: its name says masks")])
        return samples_in(folder, "test", 1, folder.name, own, names=self.names)

    def _misplaced(self, root: Path) -> list[Problem]:
        unknown = [folder for folder in self._kinds(root, "train") if not self._is_good(folder)]
        beside = [folder for folder in subfolders(root) if self.names.of(folder.name).kind in ("good", "defect")]
        no_good = [folder for folder in self._kinds(root, "validation") if not self._is_good(folder)]
        return [
            *(Problem(folder, "is not read: validation uses validation/good only") for folder in no_good),
            *(Problem(folder, "is not read: masks come from one folder only") for folder in self._truths(root)[1:]),
            *_stray(self._folders(root, "validation"), "is not read: validation images belong in validation/good"),
            *(Problem(folder, "is not read: training uses train/good only") for folder in unknown),
            *(found for split in _SPLITS for folder in self._folders(root, split) for found in hidden(folder)),
            *(Problem(folder, "is not read: it lies beside train and test") for folder in beside),
            *stray_images(root, "is not read: it lies neither in train/good nor in test/<defect>"),
            *_stray(self._folders(root, "train"), "is not read: training images belong in train/good"),
            *_stray(self._folders(root, "test"), "is not read: test images belong in test/good or test/<defect>"),
            *_stray(self._truths(root), "is not read: masks belong in ground_truth/<defect>"),
        ]


def _stray(folders: list[Path], reason: str) -> list[Problem]:
    """Problems of images that have no label images beside them."""
    owners = owners_of_labels(image for folder in folders for image in images_in(folder))
    known = {*owners, *owners.values()}
    return [problem for folder in folders for problem in stray_images(folder, reason) if problem.path not in known]


def missing_masks(samples: list[Sample]) -> list[Problem]:
    """A Problem for each defective image without a mask, or a single one for a kind of defect that has none at all."""
    problems = []
    for folder, defect in sorted({(s.path.parent, s.defect) for s in samples if s.label == 1}):
        same = [s for s in samples if s.path.parent == folder and s.defect == defect]
        without = [s.path for s in same if s.mask is None]
        if len(without) == len(same):
            problems.append(
                Problem(folder, f"none of its {counted(len(same), 'image')} has a mask, other defects have masks")
            )
        else:
            problems += [Problem(path, "has no mask, other images have one") for path in without]
    return problems


def no_training(root: Path, training: Found) -> list[Problem]:
    """A Problem if there is no good training image."""
    if training.samples:
        return []
    return [Problem(root / "train" / GOOD, "holds no images; there is nothing to learn what normal looks like from")]

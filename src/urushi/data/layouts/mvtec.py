"""The layout of MVTec AD: train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png.

Bergmann et al., "MVTec AD — A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection", CVPR 2019.
"""

from pathlib import Path

from urushi.data.folders import is_folder, subfolders
from urushi.data.layouts.base import Found, Layout, MaskFolder, samples_in, stray_images, together
from urushi.data.samples import GOOD, Problem, Sample


class Mvtec(Layout):
    """One category of MVTec AD, or one's own data in the same form."""

    expects = "train/good, test/good, test/<defect> and, if there are masks, ground_truth/<defect>/<stem>_mask.png"

    def matches(self, root: Path) -> bool:
        """Whether there is train/good or test/good, or both train and test, and it is not MVTec AD 2 instead."""
        is_good = is_folder(root / "train" / GOOD) or is_folder(root / "test" / GOOD)
        has_train, has_test = is_folder(root / "train"), is_folder(root / "test")
        return (is_good or (has_train and has_test)) and (has_test or not is_folder(root / "test_public"))

    def find(self, root: Path) -> Found:
        """Training and test samples with their masks, and whatever lies where this layout has no place for it."""
        training = samples_in(root / "train" / GOOD, "train", 0, GOOD)
        names = sorted({f.name for part in ("test", "ground_truth") for f in subfolders(root / part)})
        masks = {name: MaskFolder(root / "ground_truth" / name) for name in names}
        n_masks = sum(folder.n_masks for folder in masks.values())
        tests = [
            samples_in(root / "test" / name, "test", int(name != GOOD), name, folder) for name, folder in masks.items()
        ]
        problems = [problem for folder in masks.values() for problem in folder.problems()]
        found = together(training, *tests, Found([], problems + _misplaced(root)))
        missing = missing_masks(found.samples) if n_masks else []
        return together(found, Found([], missing + no_training(root, training)))


def missing_masks(samples: list[Sample]) -> list[Problem]:
    """A Problem for each defective image without a mask, or a single one for a kind of defect that has none at all."""
    problems = []
    for folder, defect in sorted({(s.path.parent, s.defect) for s in samples if s.label == 1}):
        same = [s for s in samples if s.path.parent == folder and s.defect == defect]
        without = [s.path for s in same if s.mask is None]
        if len(without) == len(same):
            problems.append(Problem(folder, f"none of its {len(same)} images has a mask, other defects have masks"))
        else:
            problems += [Problem(path, "has no mask, other images have one") for path in without]
    return problems


def no_training(root: Path, training: Found) -> list[Problem]:
    """A Problem if there is no good training image."""
    if training.samples:
        return []
    return [Problem(root / "train" / GOOD, "holds no images; there is nothing to learn what normal looks like from")]


def _misplaced(root: Path) -> list[Problem]:
    unknown = [folder for folder in subfolders(root / "train") if folder.name != GOOD]
    return [
        *(Problem(folder, "is not read: training uses train/good only") for folder in unknown),
        *stray_images(root, "is not read: it lies neither in train/good nor in test/<defect>"),
        *stray_images(root / "train", "is not read: training images belong in train/good"),
        *stray_images(root / "test", "is not read: test images belong in test/good or test/<defect>"),
        *stray_images(root / "ground_truth", "is not read: masks belong in ground_truth/<defect>"),
    ]

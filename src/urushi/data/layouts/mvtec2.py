"""The layout of MVTec AD 2: train/good, validation/good, test_public/{good,bad,ground_truth/bad/<stem>_mask.png}.

Heckler-Kram et al., "The MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly Detection", 2025.
Its test_private and test_private_mixed have no labels, so that nothing here can use them.
"""

from pathlib import Path

from urushi.data.folders import is_folder, subfolders
from urushi.data.layouts.base import Found, Layout, MaskFolder, samples_in, stray_images, together
from urushi.data.layouts.mvtec import missing_masks, no_training
from urushi.data.samples import GOOD, Problem

_BAD = "bad"


class Mvtec2(Layout):
    """One category of MVTec AD 2."""

    expects = "train/good, validation/good, test_public/good, test_public/bad, test_public/ground_truth/bad"

    def matches(self, root: Path) -> bool:
        """Whether there is a folder test_public."""
        return is_folder(root / "test_public")

    def find(self, root: Path) -> Found:
        """Training, validation and public test samples with their masks, and what has no place in this layout."""
        test = root / "test_public"
        masks = MaskFolder(test / "ground_truth" / _BAD)
        n_masks = masks.n_masks
        training = samples_in(root / "train" / GOOD, "train", 0, GOOD)
        found = together(
            training,
            samples_in(root / "validation" / GOOD, "validation", 0, GOOD),
            samples_in(test / GOOD, "test", 0, GOOD),
            samples_in(test / _BAD, "test", 1, _BAD, masks),
            Found([], masks.problems() + _misplaced(root)),
        )
        missing = missing_masks(found.samples) if n_masks else []
        return together(found, Found([], missing + no_training(root, training)))


def _misplaced(root: Path) -> list[Problem]:
    places = {
        root / "train": {GOOD},
        root / "validation": {GOOD},
        root / "test_public": {GOOD, _BAD, "ground_truth"},
        root / "test_public" / "ground_truth": {_BAD},
    }
    unknown = [f for folder, names in places.items() for f in subfolders(folder) if f.name not in names]
    stray = [problem for folder in (root, *places) for problem in stray_images(folder, "is not read: it lies outside")]
    return [Problem(folder, f"is not read; expected here: {Mvtec2.expects}") for folder in unknown] + stray

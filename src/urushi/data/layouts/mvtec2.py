"""The layout of MVTec AD 2: train/good, validation/good, test_public/{good,bad,ground_truth/bad/<stem>_mask.png}.

Heckler-Kram et al., "The MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly Detection", 2025.
Its test_private and test_private_mixed have no labels, so that nothing here can use them.
"""

from pathlib import Path

from urushi.data.folders import is_folder, subfolders
from urushi.data.layouts._mask_folder import MaskFolder
from urushi.data.layouts.base import Found, Layout, samples_in, stray_images, together
from urushi.data.layouts.mvtec import missing_masks, no_training
from urushi.data.samples import GOOD, Problem, Split


class Mvtec2(Layout):
    """One category of MVTec AD 2."""

    expects = "train/good, validation/good, test_public/good, test_public/bad, test_public/ground_truth/bad"

    def matches(self, root: Path) -> bool:
        """Whether there is a folder test_public."""
        return is_folder(root / "test_public")

    def find(self, root: Path) -> Found:
        """Training, validation and public test samples with their masks, and what has no place in this layout."""
        test = root / "test_public"
        bad = {folder: MaskFolder(test / "ground_truth" / folder.name) for folder in self._called(test, "defect")}
        n_masks = sum(masks.n_masks for masks in bad.values())
        training = self._good(root / "train", "train")
        found = together(
            training,
            self._good(root / "validation", "validation"),
            self._good(test, "test"),
            *(samples_in(folder, "test", 1, folder.name, masks, names=self.names) for folder, masks in bad.items()),
            Found([], [problem for masks in bad.values() for problem in masks.problems()] + self._misplaced(root)),
        )
        missing = missing_masks(found.samples) if n_masks else []
        return together(found, Found([], missing + no_training(root, training)))

    def _called(self, folder: Path, kind: str) -> list[Path]:
        return [inner for inner in subfolders(folder) if self.names.of(inner.name).kind == kind]

    def _good(self, folder: Path, split: Split) -> Found:
        """Usually one folder `good`."""
        kinds = self._called(folder, "good")
        return together(*(samples_in(kind, split, 0, GOOD, names=self.names) for kind in kinds))

    def _misplaced(self, root: Path) -> list[Problem]:
        test = root / "test_public"
        bad = self._called(test, "defect")
        places = {
            root / "train": self._called(root / "train", "good"),
            root / "validation": self._called(root / "validation", "good"),
            test: [*self._called(test, "good"), *bad, test / "ground_truth"],
            test / "ground_truth": [test / "ground_truth" / folder.name for folder in bad],
        }
        unknown = [f for folder, known in places.items() for f in subfolders(folder) if f not in known]
        stray = [found for folder in (root, *places) for found in stray_images(folder, "is not read: it lies outside")]
        return [Problem(folder, f"is not read; expected here: {self.expects}") for folder in unknown] + stray

"""Accuracy threshold: the most right decisions on the calibration images, at their share of defects."""

from dataclasses import dataclass

import numpy as np

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class Accuracy(BestCut):
    """The threshold with the highest accuracy on labelled images (S2 eq. 6.6, §6.4.1), for classes of similar size.

    Where defects are few, calling every image normal is often as accurate as any threshold; that is an error.
    """

    @property
    def aim(self) -> str:
        return "accuracy, where it beats calling every image normal,"

    def quality(self, cuts: Cuts) -> FloatArray:
        """(TP + TN) / (n + m) in [0, 1], or 0 where no more defects than normals lie above."""
        right = cuts.true_positives + cuts.n_normals - cuts.false_positives
        beats_doing_nothing = cuts.true_positives > cuts.false_positives
        return np.where(beats_doing_nothing, right / (cuts.n_normals + cuts.n_defects), 0)

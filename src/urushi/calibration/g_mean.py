"""G-mean threshold: balances found defects against false alarms, whatever their numbers."""

from dataclasses import dataclass

import numpy as np

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class GMean(BestCut):
    """The threshold with the highest √(TPR·(1 − FPR)) on labelled images (S2 eq. 6.4 and 6.5)."""

    @property
    def aim(self) -> str:
        return "the geometric mean of recall and specificity"

    def quality(self, cuts: Cuts) -> FloatArray:
        """√(TPR·(1 − FPR)) in [0, 1]."""
        # Whole numbers first: rounding of two rates would tell apart cuts that are equally good.
        product = cuts.true_positives * (cuts.n_normals - cuts.false_positives)
        return np.sqrt(product / (cuts.n_defects * cuts.n_normals))

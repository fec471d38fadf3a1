"""G-mean threshold: balances found defects against false alarms, whatever their numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from urushi.calibration._cuts import Cuts, fit_best_cut
from urushi.calibration.base import Threshold, ThresholdRule


@dataclass(frozen=True, kw_only=True)
class GMean(ThresholdRule):
    """The threshold with the highest √(TPR·(1 − FPR)) on labelled images (S2 eq. 6.4 and 6.5)."""

    needs_defects: ClassVar[bool] = True

    def fit(
        self, normal_scores: NDArray[np.floating[Any]], defect_scores: NDArray[np.floating[Any]] | None = None
    ) -> Threshold:
        """The threshold from scores (n,) of normals and (m,) of defects; CalibrationError if nothing separates them."""
        return fit_best_cut(self, normal_scores, defect_scores, g_mean, "the geometric mean of recall and specificity")


def g_mean(cuts: Cuts) -> NDArray[np.float64]:
    """√(TPR·(1 − FPR)) in [0, 1] at every cut, (K,)."""
    # Whole numbers first: rounding of two rates would tell apart cuts that are equally good.
    product = cuts.true_positives * (cuts.n_normals - cuts.false_positives)
    return np.sqrt(product / (cuts.n_defects * cuts.n_normals))

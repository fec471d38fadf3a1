"""F1 threshold: balances precision and recall at the share of defects found among the calibration images."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from urushi.calibration._cuts import Cuts, fit_best_cut
from urushi.calibration.base import Threshold, ThresholdRule


@dataclass(frozen=True, kw_only=True)
class F1(ThresholdRule):
    """The threshold with the highest F1 on labelled images (METHODS §11); it depends on their share of defects."""

    needs_defects: ClassVar[bool] = True

    def fit(
        self, normal_scores: NDArray[np.floating[Any]], defect_scores: NDArray[np.floating[Any]] | None = None
    ) -> Threshold:
        """The threshold from scores (n,) of normals and (m,) of defects; CalibrationError if nothing separates them."""
        return fit_best_cut(self, normal_scores, defect_scores, f1, "F1, the harmonic mean of precision and recall,")


def f1(cuts: Cuts) -> NDArray[np.float64]:
    """2·TP / (m + TP + FP) in [0, 1] at every cut, (K,), with m defects."""
    return 2 * cuts.true_positives / (cuts.n_defects + cuts.true_positives + cuts.false_positives)

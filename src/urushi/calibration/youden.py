"""Youden threshold: found defects less false alarms, whatever their numbers."""

from dataclasses import dataclass

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class Youden(BestCut):
    """The threshold with the highest J = TPR − FPR on labelled images (Youden 1950; METHODS §11)."""

    @property
    def aim(self) -> str:
        return "Youden's J, recall + specificity − 1,"

    def quality(self, cuts: Cuts) -> FloatArray:
        """TPR − FPR in [−1, 1]."""
        # Whole numbers first: rounding of two rates would tell apart cuts that are equally good.
        difference = cuts.true_positives * cuts.n_normals - cuts.false_positives * cuts.n_defects
        return difference / (cuts.n_normals * cuts.n_defects)

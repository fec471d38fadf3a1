"""F1 threshold: balances precision and recall at the share of defects found among the calibration images."""

from dataclasses import dataclass

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class F1(BestCut):
    """The threshold with the highest F1 on labelled images (METHODS §11); it depends on their share of defects."""

    @property
    def aim(self) -> str:
        return "F1, the harmonic mean of precision and recall,"

    def quality(self, cuts: Cuts) -> FloatArray:
        """2·TP / (m + TP + FP) in [0, 1] with m defects."""
        return 2 * cuts.true_positives / (cuts.n_defects + cuts.true_positives + cuts.false_positives)

"""The search for the best cut between scores of normals and scores of labelled defects."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError


@dataclass(frozen=True)
class Cuts:
    """Every way to divide the scores in two: cut k of K calls anomalous what lies above `values[k]`."""

    values: FloatArray  # (K + 1,) −∞, the cut that calls everything anomalous, then the distinct scores, ascending
    true_positives: FloatArray  # (K,) defects above
    false_positives: FloatArray  # (K,) normals above
    n_normals: int
    n_defects: int

    @property
    def recall(self) -> FloatArray:
        """TP / m in [0, 1] at every cut, (K,)."""
        return self.true_positives / self.n_defects

    @property
    def specificity(self) -> FloatArray:
        """TN / n in [0, 1] at every cut, (K,)."""
        return (self.n_normals - self.false_positives) / self.n_normals


@dataclass(frozen=True, kw_only=True)
class BestCut(ThresholdRule):
    """A rule that looks for the cut at which something is best on labelled images."""

    needs_defects: ClassVar[bool] = True

    @property
    @abstractmethod
    def aim(self) -> str:
        """What is highest at the threshold, in words that stand before "is highest"."""

    @abstractmethod
    def quality(self, cuts: Cuts) -> FloatArray:
        """How good each cut is, (K,), the higher the better; 0 for one that must not be chosen."""

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:
        """The threshold halfway between the two scores where `quality` is highest; among equals the highest threshold.

        Raises CalibrationError if no cut beats calling every image anomalous.
        """
        cuts = _all_cuts(normal, defect)
        qualities = self.quality(cuts)
        best = len(qualities) - 1 - int(np.argmax(qualities[::-1]))  # the last of equals: the fewest false alarms
        if best == 0 or qualities[best] <= 0:
            raise CalibrationError(
                f"No threshold separates {cuts.n_defects} defects from {cuts.n_normals} normals: {self.aim} is highest "
                "where every image is called anomalous, or zero everywhere. Check the labels, give more normal images, "
                "or use the rule 'conformal', which needs no defects."
            )
        return self._threshold(cuts, best, f"{self.aim} is highest, {qualities[best]:.3f}")

    def _threshold(self, cuts: Cuts, best: int, why: str) -> Threshold:
        false_alarms, found = int(cuts.false_positives[best]), int(cuts.true_positives[best])
        return Threshold(
            value=_halfway(cuts.values[best], cuts.values[best + 1]),
            rule=self.name,
            false_alarm_rate=false_alarms / cuts.n_normals,
            rate_kind="observed",
            n_normals=cuts.n_normals,
            n_defects=cuts.n_defects,
            explanation=f"At this threshold {why}: it finds {found} of {cuts.n_defects} labelled defects and calls "
            f"{false_alarms} of {cuts.n_normals} held-out normal images anomalous; this rule asks for no false-alarm "
            "rate and guarantees none.",
        )


def _all_cuts(normal: FloatArray, defect: FloatArray) -> Cuts:
    # Without the largest score: above it nothing is anomalous, which finds no defect.
    values = np.concatenate([[-np.inf], np.unique(np.concatenate([normal, defect]))])
    return Cuts(values, _n_above(defect, values[:-1]), _n_above(normal, values[:-1]), len(normal), len(defect))


def _n_above(ordered: FloatArray, values: FloatArray) -> FloatArray:
    return (len(ordered) - np.searchsorted(ordered, values, side="right")).astype(np.float64)


def _halfway(low: np.float64, high: np.float64) -> float:
    """A number in [low, high) halfway between; halves first, lest the sum overflow."""
    middle = float(low / 2 + high / 2)
    return middle if low <= middle < high else float(low)

"""The search for the best cut between scores of normals and scores of labelled defects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.calibration._p_values import sorted_scores
from urushi.calibration.base import Threshold, ThresholdRule
from urushi.errors import CalibrationError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Cuts:
    """Every way to divide the scores in two: cut k of K calls anomalous what lies above `values[k]`."""

    values: FloatArray  # (K + 1,) −∞, the cut that calls everything anomalous, then the distinct scores, ascending
    true_positives: FloatArray  # (K,) defects above
    false_positives: FloatArray  # (K,) normals above
    n_normals: int
    n_defects: int


Quality = Callable[[Cuts], FloatArray]  # (K,) the higher the better


def fit_best_cut(
    rule: ThresholdRule, normal_scores: ArrayLike, defect_scores: ArrayLike | None, quality: Quality, named: str
) -> Threshold:
    """The threshold halfway between the two scores where `quality` is highest; among equals the highest threshold.

    Raises CalibrationError if a label is missing, or if no cut beats calling every image anomalous.
    """
    normal, defect = _checked(rule, normal_scores, defect_scores)
    cuts = _all_cuts(normal, defect)
    qualities = quality(cuts)
    best = len(qualities) - 1 - int(np.argmax(qualities[::-1]))  # the last of equals: the fewest false alarms
    if best == 0 or qualities[best] <= 0:
        raise CalibrationError(
            f"No threshold separates {cuts.n_defects} defects from {cuts.n_normals} normals: {named} is highest where "
            "every image is called anomalous, or zero everywhere. Check the labels, give more normal images, or use "
            "the rule 'conformal', which needs no defects."
        )
    value = _halfway(cuts.values[best], cuts.values[best + 1])
    return _threshold(rule, value, cuts, best, f"{named} is highest, {qualities[best]:.3f}")


def _checked(rule: ThresholdRule, normal_scores: ArrayLike, defect_scores: ArrayLike | None) -> tuple[Any, Any]:
    if defect_scores is None or np.size(defect_scores) == 0:
        raise CalibrationError(
            f"The rule {rule.name!r} needs labelled defects, and none were given. Give a folder of defective images, "
            "or use the rule 'conformal', which needs normal images only."
        )
    return sorted_scores(normal_scores, "held-out normal"), sorted_scores(defect_scores, "labelled defective")


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


def _threshold(rule: ThresholdRule, value: float, cuts: Cuts, best: int, why: str) -> Threshold:
    false_alarms, found = int(cuts.false_positives[best]), int(cuts.true_positives[best])
    return Threshold(
        value=value,
        rule=rule.name,
        false_alarm_rate=false_alarms / cuts.n_normals,
        n_normals=cuts.n_normals,
        n_defects=cuts.n_defects,
        explanation=f"At this threshold {why}: it finds {found} of {cuts.n_defects} labelled defects and calls "
        f"{false_alarms} of {cuts.n_normals} held-out normal images anomalous; this rule asks for no false-alarm rate "
        "and guarantees none.",
    )

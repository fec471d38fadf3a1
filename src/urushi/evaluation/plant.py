"""Figures of decisions as a plant meets them: at its prevalence, and by what an escape and a false alarm cost there.

Test sets have far more defects than plants. Recall and specificity do not depend on that, precision and cost do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.calibration import Plant
from urushi.evaluation.confusion import Counts, counts_drawn, recall, specificity
from urushi.evaluation.curves import FloatArray
from urushi.evaluation.intervals import ends
from urushi.evaluation.resampling import NO_RESAMPLES, Figure, resamples

_Of = Callable[[FloatArray, FloatArray], NDArray[np.float64]]  # recall and specificity -> a figure
_Z = 1.96  # by simulation (tests/evaluation/test_plant.py) the cut of least cost is in the interval in 95 % or more
NO_DEFECTS = "needs images of defects: without them nobody knows how many escape"


def plant_figures(plant: Plant, counts: Counts, *, seed: int = 0, n_resamples: int = 1000) -> dict[str, Figure]:
    """Of 1,000 parts the false alarms and escapes, the precision and, where costs are known, what they cost.

    Intervals as those of F1: recall and specificity drawn as Clopper and Pearson bound them. What needs defects or
    normals is undefined without.
    """
    figures: dict[str, _Of] = {
        "false_alarms_per_1000": lambda _, s: plant.false_alarms(s),
        "escapes_per_1000": lambda r, _: plant.escapes(r),
        "expected_precision": plant.precision,
    }
    if plant.false_alarm_cost is not None:
        price = plant.false_alarm_cost
        figures |= {"false_alarm_cost_per_1000": lambda _, s: price * plant.false_alarms(s)}
        figures |= {"cost_per_1000": plant.cost}
    return {name: _figure(figure, counts, seed, n_resamples) for name, figure in figures.items()}


def least_cost(
    plant: Plant, scores: FloatArray, is_anomalous: NDArray[np.bool_], *, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Figure]:
    """The threshold of least cost on images with finite scores (n,), and what 1,000 parts cost there.

    Its interval holds every cut whose cost is not clearly higher: by less than 1.96 deviations of the difference when
    images are resampled. The cost is one of the very images that chose the cut: new ones cost a little more.
    """
    n, m = int((~is_anomalous).sum()), int(is_anomalous.sum())
    if not n or not m:
        reason = "needs at least one normal and one anomalous image"
        return {name: Figure(None, reason=reason) for name in ("least_cost_threshold", "least_cost_per_1000")}
    order = np.argsort(scores, kind="stable")
    ascending, label = scores[order], is_anomalous[order]
    ends_of_ties = np.append(np.flatnonzero(np.diff(ascending)), len(ascending) - 1)
    costs = _Costs(plant, label, ends_of_ties)
    own = costs(np.ones((1, n + m)))[0]
    best = int(len(own) - 1 - np.argmin(own[::-1]))  # of equals the one with the fewest false alarms
    levels = ascending[ends_of_ties]
    counts = _counts_at(label, ends_of_ties, best)
    cost = _figure(plant.cost, counts, seed, n_resamples)
    if best == 0:
        reason = "calling every part anomalous costs least: no threshold saves anything"
        return {"least_cost_threshold": Figure(None, reason=reason), "least_cost_per_1000": cost}
    value = float(levels[-1] if best == len(levels) else levels[best - 1] / 2 + levels[best] / 2)
    if n_resamples < 1 or min(n, m) < 2:
        reason = NO_RESAMPLES if n_resamples < 1 else "no interval: it needs at least two images of each label"
        return {"least_cost_threshold": Figure(value, reason=reason), "least_cost_per_1000": cost}
    drawn = np.concatenate([costs(weights) for weights in resamples(label, seed, n_resamples)])
    alike = np.flatnonzero(own - own[best] <= _Z * (drawn - drawn[:, [best]]).std(axis=0) + 1e-9)
    low, high = levels[max(alike[0] - 1, 0)], levels[min(alike[-1], len(levels) - 1)]
    open_ends = [end for end, is_open in (("low", alike[0] == 0), ("high", alike[-1] == len(levels))) if is_open]
    beyond = f"its {' and '.join(open_ends)} end is that of these scores: it may lie beyond" if open_ends else None
    return {"least_cost_threshold": Figure(value, float(low), float(high), beyond), "least_cost_per_1000": cost}


class _Costs:
    """What each cut costs, (R, K + 1), by weights (R, n) of ascending images; the first calls all anomalous."""

    def __init__(self, plant: Plant, label: NDArray[np.bool_], ends_of_ties: NDArray[Any]) -> None:
        self.plant, self.label, self.ends = plant, label, ends_of_ties

    def __call__(self, weights: FloatArray) -> FloatArray:
        defects, normals = (self._passed(weights * kind) for kind in (self.label, ~self.label))
        return self.plant.cost(1 - defects / defects[:, -1:], normals / normals[:, -1:])

    def _passed(self, weights: FloatArray) -> FloatArray:
        return np.pad(np.cumsum(weights, axis=1)[:, self.ends], ((0, 0), (1, 0)))


def _counts_at(label: NDArray[np.bool_], ends_of_ties: NDArray[Any], cut: int) -> Counts:
    n_passed = int(ends_of_ties[cut - 1]) + 1 if cut else 0
    passed, called = label[:n_passed], label[n_passed:]
    tp, fp, tn, fn = (np.array([float(some.sum())]) for some in (called, ~called, ~passed, passed))
    return Counts(tp=tp, fp=fp, tn=tn, fn=fn)


def _figure(figure: _Of, counts: Counts, seed: int, n_resamples: int) -> Figure:
    """It grows, or falls, with recall and with specificity: a draw has both at least so, and another at most so."""
    value = float(figure(recall(counts), specificity(counts))[0])
    if np.isnan(value):
        return Figure(None, reason=_why_undefined(counts))
    if n_resamples < 1:
        return Figure(value, reason=NO_RESAMPLES)
    rng = np.random.default_rng(seed)
    least, most = (counts_drawn(counts, rng, n_resamples, extra) for extra in (0, 1))
    found = [figure(recall(some), specificity(some)) for some in (least, most)]
    if np.nanmean(found[0]) > np.nanmean(found[1]):
        found = found[::-1]
    low, high = ends(*(np.nan_to_num(some, nan=0.0) for some in found))
    return Figure(value, min(low, value), max(high, value))


def _why_undefined(counts: Counts) -> str:
    if not float((counts.tp + counts.fn)[0]):
        return NO_DEFECTS
    return "needs normal images" if not float((counts.tn + counts.fp)[0]) else "no image was called anomalous"

"""What other thresholds would do: on the images of a time, on those with a verdict, and what that would cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from urushi.calibration import Plant, RuleOutcome, compare_rules
from urushi.evaluation.intervals import wilson
from urushi.reporting.histogram import Axis, score_axis
from urushi.serving.review import Seen
from urushi.serving.versions import Loaded

_STEP = 0.5  # per cent of the axis from one threshold to the next
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """At each threshold so many of the same number, and the 95 % interval of the share after Wilson."""

    n: list[int]
    of: int
    low: list[float | None]
    high: list[float | None]

    @classmethod
    def counted(cls, n: NDArray[np.intp], of: int) -> "Shares":
        """With their intervals; null of none."""
        ends = {k: wilson(k, of) if of else (None, None) for k in set(n.tolist())}
        low, high = zip(*(ends[k] for k in n.tolist()), strict=True)
        return cls(n.tolist(), of, list(low), list(high))


@dataclass(frozen=True)
class WhatIf:
    """Of a detector, by scores that can be compared with those of now."""

    loaded: Loaded
    seen: Sequence[Seen]
    plant: Plant | None  # with costs, or None

    @cached_property
    def _by_verdict(self) -> dict[str | None, FloatArray]:
        found: dict[str | None, list[float]] = {}
        for _, score, verdict in self.seen:
            found.setdefault(verdict, []).append(score)
        return {verdict: np.array(scores) for verdict, scores in found.items()}

    def scores(self, *verdicts: str | None) -> FloatArray:
        """Ascending scores (n,) of inspections whose last verdict is one of these."""
        parts = [self._by_verdict[one] for one in verdicts if one in self._by_verdict]
        return np.sort(np.concatenate([np.empty(0), *parts]))

    @cached_property
    def held_out(self) -> FloatArray:
        """Ascending scores of good images that the fit has not seen."""
        return np.sort(np.array(self.loaded.detector.held_out.scores))

    @cached_property
    def rules(self) -> list[RuleOutcome]:
        """What each rule would choose from held-out normals and images with the verdict NG."""
        return compare_rules(self.loaded.detector.held_out, self.scores("ng"), plant=self.plant)

    @cached_property
    def axis(self) -> Axis:
        """That shows all scores and the threshold."""
        threshold = self.loaded.detector.threshold.value
        axis = score_axis(self.held_out.tolist(), [one.score for one in self.seen], threshold)
        assert axis is not None  # a detector has held-out scores
        return axis

    @cached_property
    def thresholds(self) -> FloatArray:
        """Ascending: some over the whole axis, the present one, and those of the rules."""
        grid = [self.axis.at(place) for place in np.arange(0, 100 + _STEP, _STEP)]
        chosen = [one.threshold.value for one in self.rules if one.threshold]
        within = [value for value in chosen if self.axis.low < value < self.axis.high]
        return np.unique([*grid, *within, self.loaded.detector.threshold.value])

    def above(self, scores: FloatArray) -> Shares:
        """How many of ascending scores are anomalous at each threshold."""
        return Shares.counted(len(scores) - np.searchsorted(scores, self.thresholds, side="right"), len(scores))

    def escapes(self) -> Shares:
        """How many images with the verdict NG are not, at each threshold."""
        scores = self.scores("ng")
        return Shares.counted(np.searchsorted(scores, self.thresholds, side="right"), len(scores))

    def costs(self) -> list[float] | None:
        """Expected cost per 1,000 parts at each threshold, from held-out normals and images with the verdict NG."""
        defects = self.scores("ng")
        if self.plant is None or not self.plant.has_costs or not len(defects):
            return None
        recall = 1 - np.searchsorted(defects, self.thresholds, side="right") / len(defects)
        specificity = np.searchsorted(self.held_out, self.thresholds, side="right") / len(self.held_out)
        return [float(cost) for cost in self.plant.cost(recall, specificity)]

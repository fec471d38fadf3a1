"""Lay out the scores of held-out normals and of inspected images on one axis, ready to be drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

N_BINS = 60
_LOG_FROM = 8  # scores this many times the largest normal one would squeeze the normals into one corner
_MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """A score axis, linear or logarithmic, over which places are given in per cent from the left."""

    low: float
    high: float
    is_log: bool

    def place(self, score: float) -> float:
        """Give the place of a score in [0, 100] per cent, clipped to the axis."""
        low, high, value = (self._stretch(v) for v in (self.low, self.high, min(max(score, self.low), self.high)))
        return 100 * (value - low) / (high - low)

    def places(self, scores: np.ndarray) -> np.ndarray:
        """The same for scores (n,)."""
        within = np.clip(scores, self.low, self.high)
        low, high = self._stretch(self.low), self._stretch(self.high)
        return np.asarray(100 * ((np.log(within) if self.is_log else within) - low) / (high - low))

    def at(self, place: float) -> float:
        """Give the score at a place in [0, 100] per cent."""
        low, high = self._stretch(self.low), self._stretch(self.high)
        value = low + (high - low) * place / 100
        return math.exp(value) if self.is_log else value

    def ticks(self) -> list[tuple[float, float]]:
        """List at most six round scores within the axis as (place in per cent, score)."""
        values = _log_ticks(self.low, self.high) if self.is_log else []
        return [(self.place(v), v) for v in values or _linear_ticks(self.low, self.high)]

    def _stretch(self, value: float) -> float:
        return math.log(value) if self.is_log else value


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram: where it stands and how many scores fall into it."""

    left: float  # per cent of the axis
    width: float  # per cent of the axis
    count: int
    share: float  # of the fullest bin of its group, in [0, 1]


@dataclass(frozen=True)
class Lane:
    """The histogram of one group of scores."""

    name: str
    n_scores: int
    bars: tuple[Bar, ...]


def score_axis(normal: Sequence[float], inspected: Sequence[float], threshold: float) -> Axis | None:
    """Choose the axis that shows all scores and the threshold; None if there is nothing to show."""
    scores = [*normal, *inspected, *([threshold] if math.isfinite(threshold) else [])]
    if not scores:
        return None
    low, high = min(scores), max(scores)
    is_log = low > 0 and high > _LOG_FROM * max([*normal, threshold if math.isfinite(threshold) else low])
    if is_log:
        margin = max((high / low) ** 0.03, 1.01)
        return Axis(low / margin, high * margin, True)
    margin = (high - low) * 0.03 or abs(high) * 0.1 or 0.5
    return Axis(low - margin, high + margin, False)


def bin_edges(axis: Axis, threshold: float) -> np.ndarray:
    """Cut the axis into bins, in per cent, one edge on the threshold: no bar stands on both sides of it."""
    width = 100 / N_BINS
    shift = axis.place(threshold) % width if math.isfinite(threshold) else 0.0
    inner = shift + width * np.arange(N_BINS + 1)
    return np.unique(np.clip(np.concatenate([[0.0], inner, [100.0]]), 0, 100))


def lane(name: str, scores: Sequence[float], axis: Axis, edges: np.ndarray) -> Lane:
    """Count the scores of one group in the bins of an axis; empty bins are left out."""
    places = axis.places(np.asarray(scores, dtype=np.float64))
    # Bins are closed on the right, as decisions are: a score equal to the threshold is normal. The tolerance absorbs
    # the rounding of the edge that lies on the threshold.
    bins = np.clip(np.searchsorted(edges + 1e-9, places, side="left") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1)
    fullest = max(int(counts.max()), 1)
    bars = (
        Bar(float(left), float(right - left), int(n), n / fullest)
        for (left, right), n in zip(pairwise(edges), counts, strict=True)
    )
    return Lane(name, len(scores), tuple(bar for bar in bars if bar.count))


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10, 20) if power * m >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(n * step, 12 - math.floor(math.log10(step))) for n in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        values = [m * 10.0**d for d in decades for m in multiples if low <= m * 10.0**d <= high]
        if 2 <= len(values) <= _MOST_TICKS:
            return values
    return values[:: math.ceil(len(values) / _MOST_TICKS)] if len(values) > _MOST_TICKS else []

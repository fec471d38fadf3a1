"""The parity gate: what is exported gives what PyTorch gives, or it is not used."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from urushi.calibration import Calibration, Threshold
from urushi.errors import ExportError
from urushi.inspection import MapScale
from urushi.printable import counted
from urushi.runtime.backend import Output
from urushi.runtime.names import Precision

# fp32: scores, as share of the distance from normal ones, where a hundredth of a deviation makes 1.03 % of a rate of
# 1 %; maps, as share of the colour scale.
MOST_SCORE, MOST_MAP = 1e-2, 1e-2
ROUNDING = 1e-5  # of a score in float32: PyTorch itself moves so far from one batch size to another
# int8, each by its own threshold: half a deviation near the threshold, of 95 % of the images there, adds a sixteenth to
# the variance of normal scores; share of decisions that differ though PyTorch's score lies further from the threshold;
# loss of ROC-AUC on synthetic defects.
MOST_NEAR, MOST_FLIPS, MOST_LOSS = 0.5, 0.02, 0.01
NEAR, LEAST_NEAR = 2.0, 10  # so many deviations from the threshold is near; so many images must be there


@dataclass(frozen=True)
class Judge:
    """What tells whether a difference matters: it is measured in deviations of good parts' scores."""

    threshold: Threshold
    map_scale: MapScale
    held_out_scores: Sequence[float]

    @classmethod
    def of(cls, calibration: Calibration) -> "Judge":
        held_out = calibration.held_out
        return cls(calibration.threshold, held_out.map_scale(), held_out.scores)

    @property
    def spread(self) -> float:
        """The standard deviation of held-out scores, from their quartiles: a few odd ones do not widen it."""
        low, high = np.percentile(self.held_out_scores, [25, 75])
        return float((high - low) / 1.349) or float(np.std(self.held_out_scores))

    def compare(
        self, reference: Sequence[Output], found: Sequence[Output], n_normal: int, own: Threshold | None = None
    ) -> "Parity":
        """Outputs of the same images one by one, the normal ones first; `own` is the threshold of those found."""
        own = own or self.threshold
        one, other = (np.array([output.scores[0] for output in side], dtype=float) for side in (reference, found))
        span = self.map_scale.high - self.map_scale.low
        maps = [_largest(a.anomaly_maps, b.anomaly_maps) for a, b in zip(reference, found, strict=True)]
        flips = np.array([self._is_flip(*pair, own) for pair in zip(one, other, strict=True)])
        near = np.abs(one - self.threshold.value) <= NEAR * self.spread
        moved = np.abs((other - own.value) - (one - self.threshold.value))[near]
        return Parity(
            n_normal=n_normal,
            n_defects=len(one) - n_normal,
            n_near=int(near.sum()),
            score_difference=float(np.max(self._beyond_rounding(one, other))),
            near_difference=_ratio(float(np.quantile(moved, 0.95)), self.spread) if near.any() else 0.0,
            map_difference=_ratio(max(maps), span) if span > 0 else max(maps),
            n_flips=int(flips.sum()),
            n_far_flips=int((flips & (self._from_limits(one) > MOST_NEAR * self.spread)).sum()),
            roc_auc_torch=_roc_auc(one, n_normal),
            roc_auc_exported=_roc_auc(other, n_normal),
        )

    def _beyond_rounding(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Differences as share of how far a score lies from normal ones, or of their deviation where that is more."""
        distance = np.maximum(np.abs(one - np.median(self.held_out_scores)), self.spread)
        excess = np.abs(other - one) - ROUNDING * np.abs(one)
        return np.where(excess <= 0, 0.0, excess / np.maximum(distance, np.finfo(float).tiny))

    def _from_limits(self, scores: np.ndarray) -> np.ndarray:
        limits = [limit for limit in (self.threshold.value, self.threshold.warn_value) if limit is not None]
        distances: np.ndarray = np.min([np.abs(scores - limit) for limit in limits], axis=0)
        return distances

    def _is_flip(self, one: float, other: float, own: Threshold) -> bool:
        """Whether the decisions differ by more than rounding: a threshold may be the very score of a held-out image."""
        if np.isnan(other):
            return True
        rounding = ROUNDING * max(abs(one), self.spread)
        near = {self.threshold.decide(one + shift) for shift in (-rounding, 0, rounding)}
        return own.decide(other) not in near


@dataclass(frozen=True)
class Parity:
    """How far an exported graph is from PyTorch on good images and on synthetic defects, strong and faint, in them."""

    n_normal: int
    n_defects: int
    n_near: int  # of all these, how many score near the threshold in PyTorch
    score_difference: float  # largest, as share of the score's distance from normal ones or, if more, their deviation
    near_difference: float  # of 95 % of those near, each from its own threshold, in deviations of normal scores
    map_difference: float  # largest of any pixel, as share of the colour scale
    n_flips: int  # decisions, each by its own threshold, that differ by more than rounding
    n_far_flips: int  # of these, where PyTorch's score lies more than half a deviation from where decisions change
    roc_auc_torch: float
    roc_auc_exported: float

    def require(self, precision: Precision) -> None:
        """Raises ExportError if this is too far for the precision."""
        problems = self._int8_problems() if precision == "int8" else self._fp32_problems()
        if problems:
            raise ExportError(f"the exported graph does not give what PyTorch gives: {'; '.join(problems)}")

    def describe(self) -> str:
        """The figures in one line."""
        return (
            f"{counted(self.n_normal, 'good image')}, {counted(self.n_defects, 'synthetic defect')}, "
            f"{self.n_near} of them all near the "
            f"threshold: scores differ by at most {self.score_difference:.2g} of their distance from normal, near the "
            f"threshold by {self.near_difference:.2g} deviations, maps by {self.map_difference:.2g} of their scale, "
            f"{self.n_flips} decisions differ, ROC-AUC {self.roc_auc_torch:.4f} -> {self.roc_auc_exported:.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return asdict(self)

    def _fp32_problems(self) -> list[str]:
        found = {
            f"scores differ by up to {self.score_difference:.2g}, allowed is {MOST_SCORE:g}": _exceeds(
                self.score_difference, MOST_SCORE
            ),
            f"maps differ by up to {self.map_difference:.2g} of their scale, allowed is {MOST_MAP:g}": _exceeds(
                self.map_difference, MOST_MAP
            ),
            f"{self.n_flips} decisions differ, allowed is none": self.n_flips > 0,
        }
        return [text for text, is_wrong in found.items() if is_wrong]

    def _int8_problems(self) -> list[str]:
        share, loss = self.n_far_flips / (self.n_normal + self.n_defects), self.roc_auc_torch - self.roc_auc_exported
        near_ones = counted(self.n_near, "image")
        near = f"near the threshold scores differ by {self.near_difference:.2g} deviations of normal ones, "
        found = {
            f"only {near_ones} came near the threshold, {LEAST_NEAR} are needed": self.n_near < LEAST_NEAR,
            f"{near}allowed is {MOST_NEAR:g}": _exceeds(self.near_difference, MOST_NEAR),
            f"{share:.1%} of decisions differ far from the threshold, allowed are {MOST_FLIPS:.0%}": _exceeds(
                share, MOST_FLIPS
            ),
            f"ROC-AUC falls by {loss:.3f}, allowed is {MOST_LOSS:g}": _exceeds(loss, MOST_LOSS),
        }
        return [text for text, is_wrong in found.items() if is_wrong]


def _exceeds(value: float, limit: float) -> bool:
    return not value <= limit  # so is NaN


def _ratio(value: float, scale: float) -> float:
    return value / scale if value else 0.0  # scores that do not vary at all may differ by nothing


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a - b)))


def _roc_auc(scores: np.ndarray, n_normal: int) -> float:
    from sklearn.metrics import roc_auc_score

    if np.isnan(scores).any():
        return float("nan")
    return float(roc_auc_score(np.arange(len(scores)) >= n_normal, scores))

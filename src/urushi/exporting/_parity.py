"""The parity gate: what is exported gives what PyTorch gives, or it is not used."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from urushi.calibration import Threshold
from urushi.errors import ExportError
from urushi.inspection import MapScale
from urushi.runtime.backend import Output
from urushi.runtime.names import Precision

MOST_SCORE, MOST_MAP = 1e-3, 1e-2  # fp32: relative difference of scores; of maps, as share of the colour scale
ROUNDING = 1e-5  # of a score in float32: PyTorch itself moves so far from one batch size to another
MOST_FLIPS, MOST_LOSS = 0.02, 0.01  # int8: share of decisions that differ; loss of ROC-AUC on synthetic defects


@dataclass(frozen=True)
class Judge:
    """What tells whether a difference matters."""

    threshold: Threshold
    map_scale: MapScale
    held_out_scores: Sequence[float]

    def compare(self, reference: Sequence[Output], found: Sequence[Output], n_normal: int) -> "Parity":
        """Outputs of the same images one by one, the normal ones first."""
        one, other = (np.array([output.scores[0] for output in side], dtype=float) for side in (reference, found))
        scale = np.maximum(np.abs(one), np.std(self.held_out_scores))  # a score that may be zero has no relative error
        span = self.map_scale.high - self.map_scale.low
        maps = [_largest(a.anomaly_maps, b.anomaly_maps) for a, b in zip(reference, found, strict=True)]
        flips = [self._is_flip(*pair) for pair in zip(one, other, scale * ROUNDING, strict=True)]
        return Parity(
            n_normal=n_normal,
            n_defects=len(one) - n_normal,
            score_difference=float(np.max(np.abs(other - one) / scale)),
            map_difference=max(maps) / span if span > 0 else max(maps),
            n_flips=sum(flips),
            roc_auc_torch=_roc_auc(one, n_normal),
            roc_auc_exported=_roc_auc(other, n_normal),
        )

    def _is_flip(self, one: float, other: float, rounding: float) -> bool:
        """Whether the decisions differ by more than rounding: a threshold may be the very score of a held-out image."""
        if np.isnan(other):
            return True
        near = {self.threshold.decide(one + shift) for shift in (-rounding, 0, rounding)}
        return self.threshold.decide(other) not in near


@dataclass(frozen=True)
class Parity:
    """How far an exported graph is from PyTorch on held-out normals and on synthetic defects planted in them."""

    n_normal: int
    n_defects: int
    score_difference: float  # largest, relative to the score or, where that is larger, the held-out scores' deviation
    map_difference: float  # largest of any pixel, as share of the colour scale
    n_flips: int  # decisions that differ by more than rounding
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
            f"{self.n_normal} normal images, {self.n_defects} synthetic defects: scores differ by at most "
            f"{self.score_difference:.2g}, maps by {self.map_difference:.2g} of their scale, {self.n_flips} decisions "
            f"differ, ROC-AUC {self.roc_auc_torch:.4f} -> {self.roc_auc_exported:.4f}"
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
        share, loss = self.n_flips / (self.n_normal + self.n_defects), self.roc_auc_torch - self.roc_auc_exported
        found = {
            f"{share:.1%} of decisions differ, allowed are {MOST_FLIPS:.0%}": _exceeds(share, MOST_FLIPS),
            f"ROC-AUC falls by {loss:.3f}, allowed is {MOST_LOSS:g}": _exceeds(loss, MOST_LOSS),
        }
        return [text for text, is_wrong in found.items() if is_wrong]


def _exceeds(value: float, limit: float) -> bool:
    return not value <= limit  # so is NaN


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a - b)))


def _roc_auc(scores: np.ndarray, n_normal: int) -> float:
    from sklearn.metrics import roc_auc_score

    if np.isnan(scores).any():
        return float("nan")
    return float(roc_auc_score(np.arange(len(scores)) >= n_normal, scores))

"""ROC and precision-recall curves over repeats as plain numbers: mean, median and the quartiles on one grid."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError
from urushi.evaluation.curves import FloatArray, tails
from urushi.evaluation.resampling import resamples

Repeat = tuple[ArrayLike, ArrayLike]  # scores (n,) and labels (n,), 1 = anomalous; n may differ between repeats

_N_POINTS = 201


@dataclass(frozen=True)
class Band:
    """A curve over n repeats: `x` (K,) ascending in [0, 1]; of the y, in [0, 1], the mean and quartiles at each x."""

    x: FloatArray
    mean: FloatArray
    median: FloatArray
    q25: FloatArray
    q75: FloatArray
    n: int

    def to_json(self) -> dict[str, Any]:
        """Lists of numbers."""
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in asdict(self).items()}


def roc_band(repeats: Iterable[Repeat], *, n_points: int = _N_POINTS) -> Band:
    """True-positive rate over false-positive rate, straight between cuts; at a rate of 0 the highest that is reached.

    Raises InputError without repeats, or if one lacks a kind of image or has a score that is not finite.
    """
    return _band([_roc(*_counts(*repeat), _grid(n_points)) for repeat in repeats], n_points)


def precision_recall_band(repeats: Iterable[Repeat], *, n_points: int = _N_POINTS) -> Band:
    """Precision over recall: that of the highest cut which reaches the recall, so the area is the average precision.

    Raises InputError as `roc_band` does.
    """
    return _band([_precision(*_counts(*repeat), _grid(n_points)) for repeat in repeats], n_points)


def resampled(scores: ArrayLike, labels: ArrayLike, *, seed: int = 0, n_resamples: int = 200) -> Iterator[Repeat]:
    """Repeats of one test set by drawing its images with replacement, normal and anomalous ones apart."""
    score, label = _checked(scores, labels)
    for weights in resamples(label, seed, n_resamples):
        for row in weights:
            chosen = np.repeat(np.arange(len(score)), row.astype(np.intp))
            yield score[chosen], label[chosen]


def _grid(n_points: int) -> FloatArray:
    return np.linspace(0.0, 1.0, n_points)


def _band(curves: list[FloatArray], n_points: int) -> Band:
    if not curves:
        raise InputError("A band needs at least one repeat, a pair of scores and labels; none came.")
    stack = np.stack(curves)
    q25, median, q75 = np.quantile(stack, (0.25, 0.5, 0.75), axis=0)
    return Band(_grid(n_points), stack.mean(axis=0), median, q25, q75, len(curves))


def _roc(normal: FloatArray, defect: FloatArray, grid: FloatArray) -> FloatArray:
    false, true = tails(normal) / normal.sum(), tails(defect) / defect.sum()
    return np.asarray(
        np.interp(grid, false, true)
    )  # of points at the same rate it takes the last one, which is the highest


def _precision(normal: FloatArray, defect: FloatArray, grid: FloatArray) -> FloatArray:
    false, true = tails(normal)[1:], tails(defect)[1:]  # without the cut that calls nothing
    reached = np.searchsorted(true / defect.sum(), grid, side="left")
    return np.asarray((true / (true + false))[reached])


def _counts(scores: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Normal and anomalous images per distinct score, ascending, (K,) each."""
    score, label = _checked(scores, labels)
    _, place = np.unique(score, return_inverse=True)
    normal, defect = (np.bincount(place, label == kind).astype(np.float64) for kind in (0, 1))
    return normal, defect


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, NDArray[Any]]:
    score, label = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if score.ndim != 1 or score.shape != label.shape or not np.isfinite(score).all():
        raise InputError(
            f"Scores of shape {score.shape} and labels of shape {label.shape} came; allowed are two vectors of one "
            "entry per image, and finite scores."
        )
    if not np.isin(label, (0, 1)).all() or np.unique(label).size < 2:
        raise InputError(
            f"Labels are {np.unique(label).tolist()}; a curve needs both 0 (normal) and 1 (anomalous), and no others."
        )
    return score, label

"""Figures of whole images from scores, labels and decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError
from urushi.evaluation import curves
from urushi.evaluation.confusion import RATIOS, confusion, decision_figures
from urushi.evaluation.curves import FloatArray
from urushi.evaluation.intervals import roc_auc_interval
from urushi.evaluation.operating_points import POINTS, operating_points
from urushi.evaluation.resampling import Figure, Statistics, bootstrap

PARTIAL_FPR = 0.1
_PARTIAL = f"partial_roc_auc_{PARTIAL_FPR:g}"
RANKING = (
    "roc_auc",
    "average_precision",
    _PARTIAL,
    "f1_max",
    *POINTS,
)  # of scores alone, whatever the detector's threshold
PER_DEFECT = ("roc_auc", "average_precision", "recall", "tpr_at_fpr_0.01", "tpr_at_fpr_0.05")

# By simulation (studies/interval_coverage.py), no interval that was tried has the true value in 93 % of test sets.
_NO_INTERVAL: Mapping[str, str] = {
    _PARTIAL: "no interval: a few normal images decide it, and those that were tried have the true value too seldom",
    "f1_max": "no interval: its cut is the best one for these very images, and resampling takes it for certain",
}
_BOTH = "needs at least one normal and one anomalous image"


@dataclass(frozen=True)
class DefectFigures:
    """One defect type: its number of images, and the figures `PER_DEFECT` of them against all normals."""

    defect: str
    n: int
    figures: dict[str, Figure]


def image_figures(
    scores: ArrayLike, labels: ArrayLike, decided: ArrayLike, *, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Figure]:
    """Every image figure with its interval, from scores, labels (1 = anomalous) and decisions, (n,) each.

    Raises InputError if a score is not finite, a label is neither 0 nor 1, or lengths differ.
    """
    score, is_anomalous, is_called = _checked(scores, labels, decided)
    how = {"seed": seed, "n_resamples": n_resamples}
    figures = _ranking_figures(score, is_anomalous, **how)
    figures |= decision_figures(confusion(is_anomalous, is_called), **how)
    figures |= operating_points(score, is_anomalous, **how)
    return {name: figures[name] for name in (*RANKING, *RATIOS)}


def roc_auc_figure(scores: FloatArray, is_anomalous: NDArray[np.bool_]) -> Figure:
    """The ROC-AUC of finite scores (n,) with its interval; undefined if one kind of image is missing."""
    normal, defect = scores[~is_anomalous], scores[is_anomalous]
    if not len(normal) or not len(defect):
        return Figure(None, reason=_BOTH)
    value = float(_statistics(scores, is_anomalous)(np.ones((1, len(scores))))["roc_auc"][0])
    return Figure(value, *roc_auc_interval(normal, defect))


def defect_figures(
    scores: ArrayLike,
    labels: ArrayLike,
    decided: ArrayLike,
    defects: list[str],
    *,
    seed: int = 0,
    n_resamples: int = 1000,
) -> list[DefectFigures]:
    """The figures of each defect type against all normals, sorted by name; `defects` (n,) name them."""
    score, label, decision = np.asarray(scores), np.asarray(labels), np.asarray(decided, dtype=bool)
    kind = np.array(defects, dtype=object)
    table = []
    for name in sorted({d for d, is_anomalous in zip(defects, label == 1, strict=True) if is_anomalous}):
        own = (label == 0) | ((label == 1) & (kind == name))
        figures = image_figures(score[own], label[own], decision[own], seed=seed, n_resamples=n_resamples)
        n = int((own & (label == 1)).sum())
        table.append(DefectFigures(name, n, {key: figures[key] for key in PER_DEFECT}))
    return table


def _ranking_figures(
    score: FloatArray, is_anomalous: NDArray[np.bool_], *, seed: int, n_resamples: int
) -> dict[str, Figure]:
    statistics = _statistics(score, is_anomalous)
    undefined = dict.fromkeys(RANKING, _BOTH)
    figures = bootstrap(statistics, is_anomalous, seed=seed, n_resamples=n_resamples, undefined=undefined)
    without = {name: Figure(figures[name].value, reason=why) for name, why in _NO_INTERVAL.items()}
    figures |= {name: figure for name, figure in without.items() if figure.value is not None}
    return figures | {"roc_auc": roc_auc_figure(score, is_anomalous)}


def _statistics(score: FloatArray, is_anomalous: NDArray[np.bool_]) -> Statistics:
    order = np.argsort(score, kind="stable")
    ascending, kinds = score[order], is_anomalous[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))  # one bin per distinct score

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        in_order = weights[:, order]
        defect = np.add.reduceat(in_order * kinds, starts, axis=1)
        normal = np.add.reduceat(in_order * ~kinds, starts, axis=1)
        return {
            "roc_auc": curves.roc_auc(normal, defect),
            "average_precision": curves.average_precision(normal, defect),
            _PARTIAL: curves.partial_roc_auc(normal, defect, PARTIAL_FPR),
            "f1_max": curves.best_f1(normal, defect),
        }

    return statistics


def _checked(scores: ArrayLike, labels: ArrayLike, decided: ArrayLike) -> tuple[FloatArray, Any, Any]:
    score, label, decision = np.asarray(scores, dtype=np.float64), np.asarray(labels), np.asarray(decided)
    if score.ndim != 1 or not score.shape == label.shape == decision.shape or score.size == 0:
        raise InputError(
            f"Scores, labels and decisions came in shapes {score.shape}, {label.shape} and {decision.shape}; allowed "
            "are three vectors of one entry per image, and at least one image."
        )
    if not np.isfinite(score).all():
        raise InputError(f"{int((~np.isfinite(score)).sum())} scores are NaN or infinite. Check the model's output.")
    if not np.isin(label, (0, 1)).all():
        raise InputError(f"Labels are {np.unique(label).tolist()}; allowed are 0 (normal) and 1 (anomalous).")
    return score, label == 1, decision.astype(bool)

"""Figures of whole images from scores, labels and decisions; counts first, ratios are functions of the counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError
from urushi.evaluation import curves
from urushi.evaluation.curves import FloatArray, ratio
from urushi.evaluation.operating_points import POINTS, operating_points
from urushi.evaluation.resampling import Figure, Statistics, bootstrap, wilson


@dataclass(frozen=True)
class Counts:
    """The confusion matrix of one sample or, as arrays of shape (R,), of R resamples; positive is anomalous."""

    tp: FloatArray
    fp: FloatArray
    tn: FloatArray
    fn: FloatArray


def accuracy(c: Counts) -> FloatArray:
    """(TP + TN) / all, in [0, 1]; NaN without images."""
    return ratio(c.tp + c.tn, c.tp + c.fp + c.tn + c.fn)


def error_rate(c: Counts) -> FloatArray:
    """(FP + FN) / all, in [0, 1]; NaN without images."""
    return ratio(c.fp + c.fn, c.tp + c.fp + c.tn + c.fn)


def precision(c: Counts) -> FloatArray:
    """TP / (TP + FP), in [0, 1]; NaN if nothing was called anomalous."""
    return ratio(c.tp, c.tp + c.fp)


def recall(c: Counts) -> FloatArray:
    """TP / (TP + FN), in [0, 1]; NaN without defects."""
    return ratio(c.tp, c.tp + c.fn)


def specificity(c: Counts) -> FloatArray:
    """TN / (TN + FP), in [0, 1]; NaN without normals."""
    return ratio(c.tn, c.tn + c.fp)


def f1(c: Counts) -> FloatArray:
    """2·TP / (2·TP + FP + FN), in [0, 1]; NaN without defects, where 0 would look like a failure."""
    return np.where(c.tp + c.fn > 0, ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn), np.nan)


def macro_f1(c: Counts) -> FloatArray:
    """Mean of the F1 of both classes, in [0, 1]; NaN if one class is missing."""
    return (f1(c) + f1(Counts(tp=c.tn, fp=c.fn, tn=c.tp, fn=c.fp))) / 2


def g_mean(c: Counts) -> FloatArray:
    """√(recall · specificity), in [0, 1] (S2 eq. 6.4); NaN if one class is missing."""
    return np.sqrt(recall(c) * specificity(c))


RATIOS: Mapping[str, Callable[[Counts], FloatArray]] = {
    f.__name__: f for f in (accuracy, error_rate, precision, recall, specificity, f1, macro_f1, g_mean)
}

RANKING = ("roc_auc", "average_precision", "f1_max", *POINTS)  # of scores alone, whatever the detector's threshold
PER_DEFECT = ("roc_auc", "average_precision", "recall", "tpr_at_fpr_0.01", "tpr_at_fpr_0.05")

# Measured: an interval from the bootstrap has the best F1 of all possible images in 70 to 80 % of test sets, not in 95.
_NO_F1_INTERVAL = "no interval: its cut is the best one for these very images, and resampling takes it for certain"

_BOTH = "needs at least one normal and one anomalous image"
_DEFECT = "needs at least one anomalous image"
UNDEFINED: Mapping[str, str] = {
    "roc_auc": _BOTH,
    "average_precision": _BOTH,
    "f1_max": _BOTH,
    "accuracy": "needs at least one image",
    "error_rate": "needs at least one image",
    "precision": "no image was called anomalous",
    "recall": _DEFECT,
    "specificity": "needs at least one normal image",
    "f1": _DEFECT,
    "macro_f1": _BOTH,
    "g_mean": _BOTH,
}


@dataclass(frozen=True)
class DefectFigures:
    """One defect type: its number of images, and the figures `PER_DEFECT` of them against all normals."""

    defect: str
    n: int
    figures: dict[str, Figure]


def confusion(labels: ArrayLike, decided: ArrayLike) -> Counts:
    """Counts of images from labels (n,), 1 = anomalous, and decisions (n,), True = called anomalous."""
    return _confusion(np.asarray(labels) == 1, np.asarray(decided, dtype=bool), np.ones((1, np.size(labels))))


def image_figures(
    scores: ArrayLike, labels: ArrayLike, decided: ArrayLike, *, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Figure]:
    """Every image figure with its interval, from scores, labels (1 = anomalous) and decisions, (n,) each.

    Raises InputError if a score is not finite, a label is neither 0 nor 1, or lengths differ.
    """
    statistics, is_anomalous = _statistics(scores, labels, decided)
    figures = bootstrap(statistics, is_anomalous, seed=seed, n_resamples=n_resamples, undefined=UNDEFINED)
    points = operating_points(np.asarray(scores, dtype=np.float64), is_anomalous, seed=seed, n_resamples=n_resamples)
    figures |= _shares(confusion(labels, decided), figures) | points
    if figures["f1_max"].value is not None:
        figures["f1_max"] = Figure(figures["f1_max"].value, reason=_NO_F1_INTERVAL)
    return {name: figures[name] for name in (*RANKING, *RATIOS)}


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


def _shares(c: Counts, figures: dict[str, Figure]) -> dict[str, Figure]:
    """Figures that are shares of images get Wilson's interval: resampling 19 of 19 would claim certainty."""
    n = c.tp + c.fn + c.tn + c.fp
    parts = {
        "accuracy": (c.tp + c.tn, n),
        "error_rate": (c.fp + c.fn, n),
        "precision": (c.tp, c.tp + c.fp),
        "recall": (c.tp, c.tp + c.fn),
        "specificity": (c.tn, c.tn + c.fp),
    }
    defined = {name: part for name, part in parts.items() if figures[name].value is not None}
    return {k: Figure(figures[k].value, *wilson(float(hits[0]), float(n[0]))) for k, (hits, n) in defined.items()}


def _statistics(scores: ArrayLike, labels: ArrayLike, decided: ArrayLike) -> tuple[Statistics, NDArray[np.bool_]]:
    score, is_anomalous, is_called = _checked(scores, labels, decided)
    order = np.argsort(score, kind="stable")
    ascending = score[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))  # one bin per distinct score

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        in_order, kinds = weights[:, order], is_anomalous[order]
        defect = np.add.reduceat(in_order * kinds, starts, axis=1)
        normal = np.add.reduceat(in_order * ~kinds, starts, axis=1)
        counts = _confusion(is_anomalous, is_called, weights)
        areas = {
            "roc_auc": curves.roc_auc(normal, defect),
            "average_precision": curves.average_precision(normal, defect),
            "f1_max": curves.best_f1(normal, defect),
        }
        return areas | {name: function(counts) for name, function in RATIOS.items()}

    return statistics, is_anomalous


def _confusion(is_anomalous: NDArray[np.bool_], is_called: NDArray[np.bool_], weights: FloatArray) -> Counts:
    return Counts(
        tp=weights @ (is_anomalous & is_called),
        fp=weights @ (~is_anomalous & is_called),
        tn=weights @ (~is_anomalous & ~is_called),
        fn=weights @ (is_anomalous & ~is_called),
    )


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

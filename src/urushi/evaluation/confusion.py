"""Figures of decisions at the detector's own threshold: counts first, ratios are functions of the counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from urushi.evaluation.curves import FloatArray, ratio
from urushi.evaluation.intervals import Interval, beta, ends, wilson
from urushi.evaluation.resampling import NO_RESAMPLES, Figure

_DEFECT = "needs at least one anomalous image"
_BOTH = "needs at least one normal and one anomalous image"
_BOTH_CALLED = "needs images of both kinds, and some that were called anomalous and some that were not"


@dataclass(frozen=True)
class Counts:
    """The confusion matrix of one sample or, as arrays of shape (R,), of R draws; positive is anomalous."""

    tp: FloatArray
    fp: FloatArray
    tn: FloatArray
    fn: FloatArray

    @property
    def turned(self) -> "Counts":
        """The same with normal as the positive class."""
        return Counts(tp=self.tn, fp=self.fn, tn=self.tp, fn=self.fp)


def confusion(labels: ArrayLike, decided: ArrayLike) -> Counts:
    """Counts of images from labels (n,), 1 = anomalous, and decisions (n,), True = called anomalous."""
    is_anomalous, is_called = np.asarray(labels) == 1, np.asarray(decided, dtype=bool)
    pairs = ((True, True), (False, True), (False, False), (True, False))
    return Counts(*(np.array([float(((is_anomalous == a) & (is_called == c)).sum())]) for a, c in pairs))


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
    return (f1(c) + f1(c.turned)) / 2


def macro_precision(c: Counts) -> FloatArray:
    """Mean of the precision of both classes, in [0, 1]; NaN if one class is missing or was never called."""
    return np.where(np.isnan(macro_recall(c)), np.nan, (precision(c) + precision(c.turned)) / 2)


def macro_recall(c: Counts) -> FloatArray:
    """Mean of recall and specificity, also called balanced accuracy, in [0, 1]; NaN if one class is missing."""
    return (recall(c) + specificity(c)) / 2


def g_mean(c: Counts) -> FloatArray:
    """√(recall · specificity), in [0, 1] (S2 eq. 6.4); NaN if one class is missing."""
    return np.sqrt(recall(c) * specificity(c))


def mcc(c: Counts) -> FloatArray:
    """Matthews' correlation of labels and decisions, in [−1, 1]; NaN if either are all the same."""
    scale = np.sqrt((c.tp + c.fp) * (c.tp + c.fn)) * np.sqrt((c.tn + c.fp) * (c.tn + c.fn))
    return ratio(c.tp * c.tn - c.fp * c.fn, scale)


_FUNCTIONS = (
    *(accuracy, error_rate, precision, recall, specificity),
    *(f1, macro_f1, g_mean, mcc, macro_precision, macro_recall),
)
RATIOS: Mapping[str, Callable[[Counts], FloatArray]] = {function.__name__: function for function in _FUNCTIONS}

UNDEFINED: Mapping[str, str] = {
    "accuracy": "needs at least one image",
    "error_rate": "needs at least one image",
    "precision": "no image was called anomalous",
    "recall": _DEFECT,
    "specificity": "needs at least one normal image",
    "f1": _DEFECT,
    "macro_f1": _BOTH,
    "g_mean": _BOTH,
    "mcc": _BOTH_CALLED,
    "macro_precision": _BOTH_CALLED,
    "macro_recall": _BOTH,
}


def decision_figures(counts: Counts, *, seed: int = 0, n_resamples: int = 1000) -> dict[str, Figure]:
    """Every ratio of one confusion matrix with its interval: Wilson's where it is a share of images, or from draws."""
    shares, n_called = _shares(counts), {"n_resamples": n_resamples, "seed": seed}
    found = {}
    for name, function in RATIOS.items():
        value = float(function(counts)[0])
        if np.isnan(value):
            found[name] = Figure(None, reason=UNDEFINED[name])
        elif name in shares:
            found[name] = Figure(value, *wilson(*shares[name]))
        else:
            found[name] = _drawn(counts, name, value, **n_called)
    return found


def _shares(c: Counts) -> dict[str, Interval]:
    """Hits, and of how many images."""
    n = c.tp + c.fn + c.tn + c.fp
    parts = {
        "accuracy": (c.tp + c.tn, n),
        "error_rate": (c.fp + c.fn, n),
        "precision": (c.tp, c.tp + c.fp),
        "recall": (c.tp, c.tp + c.fn),
        "specificity": (c.tn, c.tn + c.fp),
    }
    return {name: (float(hits[0]), float(total[0])) for name, (hits, total) in parts.items()}


def _drawn(counts: Counts, name: str, value: float, *, seed: int, n_resamples: int) -> Figure:
    """These figures grow with recall and with specificity; a draw has both at least so, and another at most so."""
    if n_resamples < 1:
        return Figure(value, reason=NO_RESAMPLES)
    rng, (least, most) = np.random.default_rng(seed), (np.nan, np.nan)
    low, high = (counts_drawn(counts, rng, n_resamples, extra) for extra in (0, 1))
    least, most = ends(RATIOS[name](low), RATIOS[name](high))
    return Figure(value, min(least, value), max(most, value))


def counts_drawn(c: Counts, rng: np.random.Generator, n: int, extra: int) -> Counts:
    """Counts (R,) of shares drawn from Beta distributions: at least what was seen (0), or at most (1)."""
    parts = []
    for hits, misses in ((c.tp, c.fn), (c.tn, c.fp)):
        total = float((hits + misses)[0])
        share = _drawn_share(rng, int(hits[0]), int(misses[0]), n, extra) if total else np.full(n, np.nan)
        parts.append((share * total, (1 - share) * total))
    (tp, fn), (tn, fp) = parts
    return Counts(tp=tp, fp=fp, tn=tn, fn=fn)


def _drawn_share(rng: np.random.Generator, hits: int, misses: int, n: int, extra: int) -> FloatArray:
    total = hits + misses + 1
    if extra:
        return 1 - beta(rng, np.full(n, misses), total)
    return beta(rng, np.full(n, hits), total)

"""Escape and overkill as plants count them: what is found at a fixed rate of false alarms, and the reverse.

The cut that keeps the rate is found on the very images that are counted, so these figures rank detectors. How a
detector does at its own threshold, which has not seen these images, is told by recall and specificity.
"""

import math

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.curves import FloatArray
from urushi.evaluation.intervals import CONFIDENCE, Interval, beta, ends
from urushi.evaluation.resampling import NO_RESAMPLES, Figure

RATES = (0.01, 0.05)
POINTS = tuple(f"{point}_{rate:g}" for point in ("tpr_at_fpr", "tnr_at_fnr") for rate in RATES)


def tpr_at_fpr(
    scores: FloatArray, is_anomalous: NDArray[np.bool_], rate: float, *, seed: int = 0, n_resamples: int = 1000
) -> Figure:
    """The highest true-positive rate of all cuts with a false-positive rate of at most `rate`, both in [0, 1].

    `scores` (n,) finite, `is_anomalous` (n,). One minus it is the escape rate.
    """
    return _share_at_rate(scores[is_anomalous], scores[~is_anomalous], rate, "normal", seed, n_resamples)


def tnr_at_fnr(
    scores: FloatArray, is_anomalous: NDArray[np.bool_], rate: float, *, seed: int = 0, n_resamples: int = 1000
) -> Figure:
    """The highest true-negative rate of all cuts with a false-negative rate of at most `rate`, both in [0, 1].

    `scores` (n,) finite, `is_anomalous` (n,). One minus it is the overkill.
    """
    return _share_at_rate(-scores[~is_anomalous], -scores[is_anomalous], rate, "anomalous", seed, n_resamples)


def operating_points(
    scores: FloatArray, is_anomalous: NDArray[np.bool_], *, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Figure]:
    """Both figures at each of `RATES`, by the names `POINTS`."""
    figures = [
        point(scores, is_anomalous, rate, seed=seed, n_resamples=n_resamples)
        for point in (tpr_at_fpr, tnr_at_fnr)
        for rate in RATES
    ]
    return dict(zip(POINTS, figures, strict=True))


def _share_at_rate(
    sought: FloatArray, others: FloatArray, rate: float, kind: str, seed: int, n_resamples: int
) -> Figure:
    """The highest share of `sought` (n,) above a cut that has at most `rate` of `others` (m,) above it."""
    if not len(sought) or not len(others):
        return Figure(None, reason="needs at least one normal and one anomalous image")
    not_called = np.append(np.sort(others)[::-1], -np.inf)  # the highest of `others` below a cut that calls k of them
    hits = len(sought) - np.searchsorted(np.sort(sought), not_called, side="right")  # of that cut, k = 0 … m
    n_allowed = int(np.searchsorted(np.arange(len(hits)) / len(others), rate, side="right")) - 1
    value = float(hits[n_allowed] / len(sought))
    if n_resamples < 1:
        return Figure(value, reason=NO_RESAMPLES)
    low, high = _interval(hits, rate, np.random.default_rng(seed), n_resamples)
    return Figure(value, min(low, value), max(high, value), _why_from_0(rate, len(others), kind))


def _interval(hits: NDArray[np.intp], rate: float, rng: np.random.Generator, n_resamples: int) -> Interval:
    """Both ends, whatever the distributions of scores; `hits` (m + 1,) of the lowest cut that calls k of m `others`.

    The bootstrap fails here: no resample has a normal score beyond the highest. But a cut of true rate r calls k of m
    images with k ~ Binomial(m, r). It lies between the k-th highest of them and the next, so that many of `sought` are
    above it as above the first, at least, and as above the second, at most.
    """
    m, n = len(hits) - 1, int(hits[-1])
    at_least = np.append(0, hits[:-1])
    n_called = rng.binomial(m, rate, n_resamples)
    return ends(beta(rng, at_least[n_called], n + 1), 1 - beta(rng, n - hits[n_called], n + 1))


def _why_from_0(rate: float, n: int, kind: str) -> str | None:
    needed = math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log1p(-rate))
    if n >= needed:
        return None
    return f"its interval begins at 0: it takes {needed} {kind} images to bound a rate of {rate:.0%}; there are {n}"

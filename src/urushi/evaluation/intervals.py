"""95 % intervals that hold what they say with few images, and where all of them are right.

Resampling images fails there: of fifteen images that are all right, so is every resample. How often each interval has
the true value: `studies/results/interval_coverage.md`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
_Z = 1.959964  # of the normal distribution at that confidence
_N_ANGLES = 20_001  # of Student's distribution


def wilson(hits: float, n: float) -> Interval:
    """Wilson's interval of a share, hits of n > 0; of 0 of 19 it is 0 to 0.17."""
    centre, spread = hits + _Z**2 / 2, _Z * math.sqrt(max(0.0, hits * (n - hits) / n) + _Z**2 / 4)
    low, high = (centre - spread) / (n + _Z**2), (centre + spread) / (n + _Z**2)
    return min(max(low, 0.0), hits / n), max(min(high, 1.0), hits / n)  # rounding must not leave the share outside


def from_variance(value: float, variance: float, sizes: Sequence[int], *, caution: float = 1.0) -> Interval:
    """Of a figure in [0, 1] from its variance over images, which come in groups of `sizes`.

    It is Wilson's interval of so many images as would give a share this variance. One more image in each group, which a
    coin decides, keeps the variance from vanishing; and the images are never fewer than the smaller group, as Birnbaum
    and Klose (1957) prove for ROC-AUC, whatever the scores. `caution` multiplies the variance.
    """
    spread = variance + (value - 0.5) ** 2 * sum(1 / (n * (n + 1)) for n in sizes)
    n = max(min(sizes), value * (1 - value) / spread) if spread > 0 else min(sizes)
    return wilson(value * n / caution, n / caution)


def roc_auc_interval(normal: FloatArray, defect: FloatArray) -> Interval:
    """Of the ROC-AUC from scores (m,) and (n,), with its variance after DeLong, DeLong and Clarke-Pearson (1988)."""
    found, passed = _ranked_below(normal, defect), 1 - _ranked_below(defect, normal)
    variance = sum(float(shares.var(ddof=1)) / len(shares) if len(shares) > 1 else np.inf for shares in (found, passed))
    return from_variance(float(found.mean()), variance, (len(normal), len(defect)))


def student(values: FloatArray, confidence: float = CONFIDENCE) -> Interval:
    """Of the mean of n ≥ 2 values: mean ± t·s/√n with Student's t."""
    n = len(values)
    reach = _student_quantile(n - 1, confidence) * float(values.std(ddof=1)) / math.sqrt(n)
    return float(values.mean()) - reach, float(values.mean()) + reach


def beta(rng: np.random.Generator, hits: NDArray[np.intp], total: int) -> FloatArray:
    """Draws from Beta(hits, total − hits), 0 where there is no hit.

    A share of which h of n were seen is between Beta(h, n − h + 1) and Beta(h + 1, n − h), as in Clopper and Pearson's
    interval.
    """
    drawn = np.maximum(hits, 1)
    return np.where(hits > 0, rng.beta(drawn, np.maximum(total - drawn, 1)), 0.0)


def ends(low: FloatArray, high: FloatArray) -> Interval:
    """The outer quantiles of draws (R,) that a figure is at least and at most."""
    return float(np.quantile(low, (1 - CONFIDENCE) / 2)), float(np.quantile(high, (1 + CONFIDENCE) / 2))


def _ranked_below(others: FloatArray, scores: FloatArray) -> FloatArray:
    """The share of others (m,) below each score (n,), ties half."""
    ascending = np.sort(others)
    return (np.searchsorted(ascending, scores, "left") + np.searchsorted(ascending, scores, "right")) / 2 / len(others)


def _student_quantile(degrees: int, confidence: float) -> float:
    """With t = √ν·tan φ its density is proportional to cos(φ) to the power of ν − 1."""
    angles = np.linspace(0, np.pi / 2, _N_ANGLES)
    density = np.cos(angles) ** (degrees - 1)
    mass = np.append(0, np.cumsum(density[1:] + density[:-1]))
    return float(math.sqrt(degrees) * np.tan(np.interp(confidence, mass / mass[-1], angles)))

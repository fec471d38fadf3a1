"""Whether one method is better than another, or only seems so: over data sets by ranks, over images by resampling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.evaluation.intervals import CONFIDENCE, FloatArray

_CHUNK = 200  # resamples at a time: memory stays bounded
N_RESAMPLES = 4000


@dataclass(frozen=True)
class Friedman:
    """Whether k methods differ over n data sets, and how far apart mean ranks must be (Demšar, 2006)."""

    statistic: float
    p_value: float
    critical_difference: float  # of mean ranks, by Nemenyi's test at 5 %


@dataclass(frozen=True)
class Difference:
    """A mean difference with its 95 % interval, and how probable one as large is where there is none."""

    value: float
    low: float
    high: float
    p_value: float


def ranks(values: ArrayLike) -> FloatArray:
    """(n, k) of k methods on n data sets: 1 for the highest value of each data set, equal ones share theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.asarray(values, np.float64), axis=1))


def friedman(values: ArrayLike) -> Friedman | None:
    """Of values (n, k); None for fewer than two data sets or three methods, of which ranks can't tell anything.

    The statistic is Friedman's with its correction for ties; the critical difference is q/√2·√(k(k+1)/(6n)) with q of
    the studentised range (Demšar, J. Mach. Learn. Res. 7, 2006).
    """
    from scipy.stats import friedmanchisquare, studentized_range

    found = np.asarray(values, np.float64)
    n, k = found.shape
    if n < 2 or k < 3:
        return None
    q = float(studentized_range.ppf(CONFIDENCE, k, np.inf))
    critical = q / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    if np.ptp(ranks(found), axis=1).max() == 0:  # all the same everywhere: the statistic is 0/0
        return Friedman(0.0, 1.0, critical)
    tested = friedmanchisquare(*found.T)
    return Friedman(float(tested.statistic), float(tested.pvalue), critical)


def cliques(mean_ranks: Sequence[float], critical_difference: float) -> list[tuple[int, int]]:
    """The longest groups, as first and last place in ascending ranks, whose ends lie within the critical difference."""
    ordered, found = sorted(mean_ranks), list[tuple[int, int]]()
    for first, rank in enumerate(ordered):
        last = max(place for place, other in enumerate(ordered) if other - rank <= critical_difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for their number, so that 5 % stays the chance that any is below 5 % by luck (Holm, 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def roc_auc_draws(
    scores: FloatArray, labels: NDArray[np.int_], units: Sequence[str] | None = None, *, seed: int = 0
) -> tuple[float, FloatArray]:
    """The ROC-AUC, and (R,) of resampled images, both means over repeats: scores (s, n), labels (n,) of 0 and 1.

    The same seed draws the same images, so that methods are compared on them. `units` (n,) name the products, whose
    images are drawn together; without, each image is one of its own.
    """
    kernel = np.mean([_kernel(row[labels == 1], row[labels == 0]) for row in scores], axis=0)
    own = np.arange(len(labels)).astype(str) if units is None else np.asarray(units)
    rng, draws = np.random.default_rng(seed), []
    for start in range(0, N_RESAMPLES, _CHUNK):
        n = min(_CHUNK, N_RESAMPLES - start)
        defect, normal = (_weights(rng, own[labels == label], n) for label in (1, 0))
        draws.append(((defect @ kernel) * normal).sum(axis=1) / defect.sum(axis=1) / normal.sum(axis=1))
    return float(kernel.mean()), np.concatenate(draws)


def difference(value: float, draws: FloatArray) -> Difference:
    """From a difference and what resampling makes of it (R,); two-sided."""
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    rarer = min((draws <= 0).sum(), (draws >= 0).sum())
    return Difference(value, float(low), float(high), float(min(1.0, 2 * (rarer + 1) / (len(draws) + 1))))


def _kernel(defect: FloatArray, normal: FloatArray) -> FloatArray:
    """(m, n): 1 where the defect scores above the normal image, ½ where they are the same."""
    return np.asarray((defect[:, None] > normal) + 0.5 * (defect[:, None] == normal))


def _weights(rng: np.random.Generator, units: NDArray[np.str_], n: int) -> FloatArray:
    """How often each image is drawn, (n, images)."""
    distinct, member = np.unique(units, return_inverse=True)
    drawn = rng.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), size=n)
    return np.asarray(drawn[:, member], np.float64)

"""Decisions on a whole batch at once, so that only a stated share of those called anomalous are good parts."""

import math
from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.calibration._normals import Normals
from urushi.calibration._p_values import n_needed, percent, require_enough, sorted_scores
from urushi.calibration.base import Threshold
from urushi.errors import CalibrationError

RULE = "false_discovery_rate"
_ROUNDING = 1e-12  # p-values are steps of 1/(n+1): where one meets its limit exactly, rounding must not decide


def benjamini_hochberg(p: ArrayLike, rate: float) -> NDArray[np.bool_]:
    """Which of the p-values (m,) are discoveries at a false-discovery rate Q: the k smallest, with the largest k for
    which p₍ₖ₎·m/k ≤ Q (Benjamini & Hochberg 1995).

    For conformal p-values the share of good parts among the discoveries is at most Q on average, although all of them
    are compared with the same held-out normals (Bates, Candès, Lei, Romano & Sesia 2023).
    """
    values = np.asarray(p, dtype=np.float64)
    ordered = np.sort(values)
    limits = rate * np.arange(1, values.size + 1) / values.size
    passed = np.flatnonzero(ordered <= limits * (1 + _ROUNDING))
    return values <= ordered[passed[-1]] if passed.size else np.zeros(values.shape, dtype=bool)


def n_at_least(rate: float, n_normals: int, n_images: int) -> int:
    """The fewest images that can be discoveries: 1/(n+1), the smallest p-value, must pass among m images as the k-th.

    k = ⌈m/(Q(n+1))⌉; fewer anomalies, however clear, can't be told from chance with so few held-out normals.
    """
    return max(1, ceil(n_images / (rate * (n_normals + 1)) * (1 - _ROUNDING)))


def check_false_discovery_rate(rate: float, n_normals: int) -> None:
    """Raise CalibrationError if Q is no rate, or there are fewer held-out normals than the 1/Q − 1 of any discovery."""
    if not 0 < rate < 1:
        raise CalibrationError(f"A false-discovery rate is above 0 and below 1; {rate:g} was asked for.")
    require_enough(rate, n_normals, "false-discovery rate")


def false_discovery_threshold(
    scores: ArrayLike, normal_scores: ArrayLike, rate: float, *, groups: Sequence[str] = ()
) -> Threshold:
    """The threshold that decides on a batch of scores (m,) as Benjamini–Hochberg does on their conformal p-values.

    `groups` (n,) name the product of each held-out normal. Raises CalibrationError as `check_false_discovery_rate`
    does, or if a score is not finite.
    """
    normals, batch = Normals.of(normal_scores, groups), sorted_scores(scores, "inspected")
    check_false_discovery_rate(rate, normals.n_independent)
    p = normals.p_values(batch)
    found = benjamini_hochberg(p, rate)
    # A p-value is at most another one where a score lies above a held-out one; without discoveries nothing is above.
    value = normals.limit(float(p[found].max()))[0] if found.any() else float(max(normals.scores[-1], batch[-1]))
    return Threshold(
        value=value,
        rule=RULE,
        false_alarm_rate=normals.share_above(value),
        rate_kind="observed",
        n_normals=len(normals.scores),
        n_defects=0,
        explanation=_explanation(normals, len(batch), int(found.sum()), rate),
        n_groups=normals.n_groups,
    )


def _explanation(normals: Normals, m: int, n_found: int, rate: float) -> str:
    n, images = normals.n_independent, "held-out normal images"
    if normals.n_groups is not None:
        images = "held-out products"
    said = (
        f"{n_found} of {m} images are called anomalous: on average at most {percent(rate)} of those that are so called "
        "are good parts, as long as good parts come from the same process as the held-out ones. The decisions belong "
        "to this batch as a whole."
    )
    k = n_at_least(rate, n, m)
    if k == 1:
        return said
    return (
        f"{said} ATTENTION: with {n} {images} and a batch of {m}, either at least {k} images are called "
        f"anomalous or none; to find a single one, {n_needed(rate / m)} {images} are needed."
    )


_FALSE_DISCOVERIES = 0.05
_DEVIATION = 1.4826  # of a normal distribution, per median absolute deviation


def suspicion(scores: ArrayLike) -> NDArray[np.float64]:
    """p-values of cross-fitted scores (n,) against their own middle: small for what is far above it.

    Scores, or their logarithms where all are positive, are taken as normal with the median and the median absolute
    deviation of all, which up to half of the images being something else would not move far. Rough: tails differ.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = np.log(values) if (values > 0).all() else values
    middle = np.median(values)
    spread = _DEVIATION * np.median(np.abs(values - middle))
    if spread == 0:
        return np.where(values > middle, 0.0, 0.5)
    return np.array([math.erfc((value - middle) / (spread * math.sqrt(2))) / 2 for value in values])


def suspicious(scores: ArrayLike) -> NDArray[np.bool_]:
    """Those that are likely no good images; about one in twenty of them is one after all, by Benjamini-Hochberg."""
    return benjamini_hochberg(suspicion(scores), _FALSE_DISCOVERIES)

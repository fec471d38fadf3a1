"""Uncertainty of a figure: bootstrap intervals over images, mean ± standard error over repeats."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError

FloatArray = NDArray[np.float64]
Statistics = Callable[[FloatArray], Mapping[str, FloatArray]]  # weights of n images (R, n) → each figure (R,)

CONFIDENCE = 0.95
NO_RESAMPLES = "no interval: no resamples were asked for"
_Z = 1.959964  # of the normal distribution at that confidence
_CHUNK = 100  # resamples at a time: memory stays bounded
_SHARE_DEFINED = 0.95  # an interval over fewer resamples than this would be one of other, luckier data


@dataclass(frozen=True)
class Figure:
    """One figure with its 95 % interval; None is undefined. `reason` says why, or why it is wide."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """value, low and high, and the reason where there is one."""
        plain = {"value": self.value, "low": self.low, "high": self.high}
        return plain if self.reason is None else {**plain, "reason": self.reason}


@dataclass(frozen=True)
class MeanError:
    """Mean over repeats with its standard error, None where fewer than two repeats give none."""

    mean: float
    standard_error: float | None
    n: int


def mean_and_standard_error(values: ArrayLike) -> MeanError:
    """Mean ± s/√n over n repeats (S2 ch. 6), s their sample standard deviation; raises InputError if n = 0 or NaN."""
    repeats = np.asarray(values, dtype=np.float64)
    if repeats.ndim != 1 or repeats.size == 0 or not np.isfinite(repeats).all():
        raise InputError(f"A mean needs a vector of finite figures, one per repeat; it came as {repeats!r}.")
    n = repeats.size
    error = float(repeats.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return MeanError(float(repeats.mean()), error, n)


def bootstrap(
    statistics: Statistics, strata: ArrayLike, *, seed: int, n_resamples: int = 1000, undefined: Mapping[str, str]
) -> dict[str, Figure]:
    """Figures of n images with percentile intervals of confidence 95 %, from resampling images within each stratum.

    `strata` (n,) are the labels; `undefined` says for each figure when it is. Same seed, same interval; no resamples
    (0), or a stratum of one image, gives no interval.
    """
    kinds = np.asarray(strata)
    value = statistics(np.ones((1, len(kinds))))
    problem = _no_interval(kinds, n_resamples)
    chunks = [] if problem else [statistics(w) for w in resamples(kinds, seed, n_resamples)]
    draws = {name: np.concatenate([chunk[name] for chunk in chunks]) if chunks else None for name in value}
    return {name: _figure(float(value[name][0]), draws[name], problem, undefined[name]) for name in value}


def moved(rough: Figure, value: float) -> Figure:
    """The interval in [0, 1] of a figure that was found roughly, moved to its exact value."""
    if not np.isfinite(value):
        return Figure(None, reason=rough.reason)
    if rough.value is None or rough.low is None or rough.high is None:
        return replace(rough, value=value)
    low, high = (min(max(end + value - rough.value, 0.0), 1.0) for end in (rough.low, rough.high))
    return Figure(value, low, high)


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, hits of n ≥ 1; of 0 of 19 it is 0 to 0.17."""
    centre, spread = hits + _Z**2 / 2, _Z * math.sqrt(hits * (n - hits) / n + _Z**2 / 4)
    return max(0.0, (centre - spread) / (n + _Z**2)), min(1.0, (centre + spread) / (n + _Z**2))


def resamples(strata: NDArray[Any], seed: int, n_resamples: int) -> Iterator[FloatArray]:
    """How often each of n images is drawn, in chunks (R, n); images are drawn with replacement within their stratum."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    for start in range(0, n_resamples, _CHUNK):
        weights = np.zeros((min(_CHUNK, n_resamples - start), len(strata)))
        for own in members:
            weights[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=len(weights))
        yield weights


def _no_interval(strata: NDArray[Any], n_resamples: int) -> str | None:
    if n_resamples < 1:
        return NO_RESAMPLES
    if np.unique(strata, return_counts=True)[1].min() < 2:
        return "no interval: it needs at least two images of each label"
    return None


def _figure(value: float, draws: FloatArray | None, problem: str | None, undefined: str) -> Figure:
    if not np.isfinite(value):
        return Figure(None, reason=undefined)
    if draws is None:
        return Figure(value, reason=problem)
    defined = draws[np.isfinite(draws)]
    if len(defined) < _SHARE_DEFINED * len(draws):
        return Figure(value, reason=f"no interval: undefined in {len(draws) - len(defined)} of {len(draws)} resamples")
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value, float(low), float(high))

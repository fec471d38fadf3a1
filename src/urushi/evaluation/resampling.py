"""Uncertainty of a figure: intervals from the bootstrap variance over images, mean ± standard error over repeats."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError
from urushi.evaluation.intervals import FloatArray, from_variance

Statistics = Callable[[FloatArray], Mapping[str, FloatArray]]  # weights of n images (R, n) → each figure (R,)

NO_RESAMPLES = "no interval: no resamples were asked for"
_CHUNK = 100  # resamples at a time: memory stays bounded
CAUTION = 1.75  # found by simulation: the plain variance is too small where few images decide
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
    statistics: Statistics,
    strata: ArrayLike,
    *,
    seed: int,
    n_resamples: int = 1000,
    undefined: Mapping[str, str],
    exact: Mapping[str, float] | None = None,
) -> dict[str, Figure]:
    """Figures in [0, 1] of n images with 95 % intervals from their variance when images are resampled in each stratum.

    `strata` (n,) are the labels; `undefined` says for each figure when it is; `exact` holds the values of figures that
    `statistics` gives only roughly. Same seed, same interval; no resamples (0), or a stratum of one image, gives none.
    """
    kinds = np.asarray(strata)
    value = {name: float(one[0]) for name, one in statistics(np.ones((1, len(kinds)))).items()} | dict(exact or {})
    sizes = np.unique(kinds, return_counts=True)[1].tolist()
    problem = _no_interval(sizes, n_resamples)
    chunks = [] if problem else [statistics(w) for w in resamples(kinds, seed, n_resamples)]
    draws = {name: np.concatenate([chunk[name] for chunk in chunks]) if chunks else None for name in value}
    return {name: _figure(value[name], draws[name], sizes, problem, undefined[name]) for name in value}


def resamples(strata: NDArray[Any], seed: int, n_resamples: int) -> Iterator[FloatArray]:
    """How often each of n images is drawn, in chunks (R, n); images are drawn with replacement within their stratum."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    for start in range(0, n_resamples, _CHUNK):
        weights = np.zeros((min(_CHUNK, n_resamples - start), len(strata)))
        for own in members:
            weights[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=len(weights))
        yield weights


def _no_interval(sizes: list[int], n_resamples: int) -> str | None:
    if n_resamples < 1:
        return NO_RESAMPLES
    if min(sizes) < 2:
        return "no interval: it needs at least two images of each label"
    return None


def _figure(value: float, draws: FloatArray | None, sizes: list[int], problem: str | None, undefined: str) -> Figure:
    if not np.isfinite(value):
        return Figure(None, reason=undefined)
    if draws is None:
        return Figure(value, reason=problem)
    defined = draws[np.isfinite(draws)]
    if len(defined) < _SHARE_DEFINED * len(draws):
        return Figure(value, reason=f"no interval: undefined in {len(draws) - len(defined)} of {len(draws)} resamples")
    n = min(sizes)
    return Figure(value, *from_variance(value, float(defined.var()) * n / (n - 1), sizes, caution=CAUTION))

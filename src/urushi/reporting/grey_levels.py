"""Histograms and tone curves of images of any depth on one axis, 0…255, ready to be drawn."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from urushi.preprocessing.base import Image
from urushi.preprocessing.grey import grey

N_LEVELS = 256


def level_range(image: Image) -> tuple[float, float]:
    """The values that stand for black and white: the range of the type, [0, 1], or what a float image spans."""
    if image.dtype.kind == "u":
        return 0.0, float(np.iinfo(image.dtype).max)
    low, high = float(image.min()), float(image.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def axis_levels(image: Image) -> np.ndarray:
    """(H, W[, 3]) of any depth -> its grey levels (H, W) in 0…255, fractions kept."""
    low, high = level_range(image)
    return np.asarray((grey(image).astype(np.float32) - low) * np.float32(255 / ((high - low) or 1)))


def count_levels(levels: np.ndarray) -> np.ndarray:
    """How many pixels lie at each level 0…255: (256,)."""
    return np.bincount(np.rint(np.clip(levels, 0, 255)).astype(np.uint8).ravel(), minlength=N_LEVELS)


@dataclass(frozen=True, eq=False)
class Levels:
    """What the report keeps of one image."""

    counts: np.ndarray  # (256,) pixels at each level
    luminance: float  # mean level in 0…255 (S2 eq. 6.15); NaN for floats beyond [0, 1], which have no such scale
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_flat(self) -> bool:
        """Whether every pixel has the same level, rounded to 0…255."""
        return int(np.count_nonzero(self.counts)) == 1

    @classmethod
    def of(cls, image: Image) -> "Levels":
        """Counted on the grey levels of an image."""
        levels = axis_levels(image)
        is_level = image.dtype.kind == "u" or level_range(image) == (0.0, 1.0)
        luminance = float(levels.mean(dtype=np.float64)) if is_level else math.nan
        return cls(count_levels(levels), luminance, image.shape, image.dtype.name)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts or shares of 256 levels as paths in a box of 256 × 100, y downwards; the y axis is logarithmic."""

    values: np.ndarray  # (256,), not negative

    @cached_property
    def _scale(self) -> tuple[float, float]:
        """The logarithms at the bottom, half the smallest value, and at the top of the box."""
        filled = self.values[self.values > 0]
        return (math.log10(filled.min() / 2), math.log10(filled.max())) if filled.size else (0.0, 1.0)

    @property
    def bars(self) -> str:
        """The area under the histogram."""
        heights = [self.height(value) for value in self.values]
        return "M0 100" + "".join(f"V{100 - y:.0f}H{x}" for x, y in enumerate(heights, 1)) + "V100z"

    @property
    def cumulative(self) -> str:
        """The share of pixels up to each level, linear from 0 at the bottom to 1 at the top (S2 eq. 5.5)."""
        shares = np.cumsum(self.values) / (self.values.sum() or 1)
        return "M0 100" + "".join(f"V{100 - 100 * share:.1f}H{x}" for x, share in enumerate(shares, 1))

    @property
    def decades(self) -> list[tuple[float, int]]:
        """Powers of ten within the box: (y, exponent)."""
        low, high = self._scale
        exponents = range(math.ceil(low), math.floor(high) + 1)
        return [(100 - self.height(10.0**exponent), exponent) for exponent in exponents]

    def height(self, value: float) -> float:
        """How high a value stands, 0…100."""
        low, high = self._scale
        return 100 * (math.log10(value) - low) / (high - low) if value > 0 else 0.0


@dataclass(frozen=True, eq=False)
class ToneCurve:
    """What a step makes of each level, measured: pixels, sum, lowest and highest level after it, each (256,)."""

    n: np.ndarray
    total: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def measured(cls, before: Image, after: Image) -> "ToneCurve":
        """From an image before and after a step that keeps every pixel in its place."""
        place, levels = (axis_levels(image).ravel() for image in (before, after))
        place = np.rint(place).astype(np.intp)
        low, high = np.full(N_LEVELS, np.inf), np.full(N_LEVELS, -np.inf)
        np.minimum.at(low, place, levels)
        np.maximum.at(high, place, levels)
        n = np.bincount(place, minlength=N_LEVELS)
        return cls(n, np.bincount(place, weights=levels, minlength=N_LEVELS), low, high)

    def merged(self, other: "ToneCurve") -> "ToneCurve":
        """Of the pixels of both."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return ToneCurve(self.n + other.n, self.total + other.total, low, high)

    @property
    def changes(self) -> bool:
        """Whether some level becomes another one."""
        found = self.n > 0
        levels = np.arange(N_LEVELS)[found]
        return bool(max(np.abs(self.low[found] - levels).max(), np.abs(self.high[found] - levels).max()) > 1)

    @property
    def mean(self) -> str:
        """The mean level after the step over the level before it, as a path in a box of 255 × 255, y downwards."""
        found = np.flatnonzero(self.n)
        return "M" + "L".join(f"{x} {255 - self.total[x] / self.n[x]:.1f}" for x in found)

    @property
    def band(self) -> str:
        """From the lowest to the highest level after the step, as a closed path in the same box."""
        found = np.flatnonzero(self.n)
        edges = [*((x, self.high[x]) for x in found), *((x, self.low[x]) for x in found[::-1])]
        return "M" + "L".join(f"{x} {255 - y:.1f}" for x, y in edges) + "z"

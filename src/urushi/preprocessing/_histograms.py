"""Cumulative histograms per channel, their pseudo-inverse, and what steps share that are fitted by them (S2 §5.1.2).

8-bit images are counted on their 256 levels; 16-bit and float images on 65536, to which floats in [0, 1] are rounded.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self

import cv2
import numpy as np

from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing._levels import in_depth_of, look_up, require_levels
from urushi.preprocessing.base import Image, Step

_SIXTEEN_BITS = np.dtype(np.uint16)
_N_LEVELS = (256, 65536)
_COLOURS = {1: "grey", 3: "colour"}


def cumulative_counts(image: Image) -> np.ndarray:
    """Pixels at or below each level: (H, W[, C]) -> (C, L) int64; L = 256 or 65536 (S2 eq. 5.5, not yet divided)."""
    codes = _codes(image)
    n_levels = np.iinfo(codes.dtype).max + 1
    counts = [np.bincount(codes[..., c].ravel(), minlength=n_levels) for c in range(codes.shape[2])]
    return np.cumsum(counts, axis=1)


def pseudo_inverse(shares: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """min{s: C(s) ≥ l} for each wanted share l in (0, 1], C given as (L,); levels s in [0, 1] (S2 eq. 5.8)."""
    return np.searchsorted(shares, wanted) / (len(shares) - 1)


def replace_levels(image: Image, tables: np.ndarray) -> Image:
    """Each level by its place in the channel's row of `tables` (C, L), new levels in [0, 1]; dtype kept."""
    codes, new = _codes(image), in_depth_of(tables, image.dtype)
    return np.stack([look_up(codes[..., c], table) for c, table in enumerate(new)], axis=-1).reshape(image.shape)


def usable(images: Iterable[Image]) -> Iterator[Image]:
    """The images that have grey levels; the others are listed with their reason when they are prepared."""
    for image in images:
        with suppress(UnreadableImageError):
            require_levels(image)
            yield image


@dataclass(frozen=True, kw_only=True)
class LearntStep(Step):
    """A step that learns one array, a row per channel (C, L), and can't be applied before."""

    _learnt: np.ndarray | None = field(default=None, init=False, repr=False, compare=False)

    def state(self) -> Mapping[str, np.ndarray]:
        return {} if self._learnt is None else {"learnt": self._learnt}

    def with_state(self, state: Mapping[str, np.ndarray]) -> Self:
        learnt = state["learnt"]
        if learnt.ndim != 2 or learnt.shape[0] not in _COLOURS or learnt.shape[1] not in _N_LEVELS:
            raise ValueError(f"{type(self).__name__} learns 1 or 3 rows of 256 or 65536 values, not {learnt.shape}")
        fitted = replace(self)
        object.__setattr__(fitted, "_learnt", learnt)
        return fitted

    def learnt_for(self, image: Image) -> np.ndarray:
        """What was learnt; raises RecipeError if nothing was, UnreadableImageError if `image` has other channels."""
        name = type(self).__module__.rpartition(".")[2]
        if self._learnt is None:
            raise RecipeError(f"the step `{name}` learns from training images; fit the pipeline first")
        if colours(image) != _COLOURS[len(self._learnt)]:
            problem = f"it is {colours(image)}, but `{name}` was fitted to {_COLOURS[len(self._learnt)]} images"
            raise UnreadableImageError("image", f"{problem}; put the step `grey` or `rgb` before it")
        return self._learnt


def colours(image: Image) -> str:
    """What a person calls an image of one or three channels."""
    return _COLOURS[1 if image.ndim == 2 else 3]


def _codes(image: Image) -> np.ndarray:
    """(H, W, C) uint8 or uint16."""
    require_levels(image)
    return np.atleast_3d(image if image.dtype.kind == "u" else in_depth_of(image, _SIXTEEN_BITS))


def otsu(levels: np.ndarray) -> float:
    """Otsu's threshold on the scale 0…255; the darker class is `levels <= threshold`.

    Levels are uint8, uint16, or floats within 0…255, which are rounded to 16 bits.
    """
    fine = levels if levels.dtype.kind == "u" else np.rint(np.clip(levels, 0, 255) * 257).astype(np.uint16)
    threshold, _ = cv2.threshold(fine, 0, 1, cv2.THRESH_OTSU)
    return float(threshold + 0.5) / (np.iinfo(fine.dtype).max // 255)  # half a step up: what is equal is dark

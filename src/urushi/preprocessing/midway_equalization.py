"""The grey levels of every image redistributed as those of a mean training image (S2 §5.1.3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from urushi.errors import DatasetError
from urushi.preprocessing._histograms import LearntStep, cumulative_counts, pseudo_inverse, replace_levels, usable
from urushi.preprocessing.base import Image

_N = 65536  # shares at which quantiles are kept: exact for images of up to so many pixels
_SHARES = np.arange(1, _N + 1) / _N


def quantiles(image: Image) -> np.ndarray:
    """C⁻¹(k / 65536), k = 1…65536, of each channel: (C, 65536) levels in [0, 1]; floats are rounded to 65536 levels."""
    counts = cumulative_counts(image)
    return np.stack([pseudo_inverse(shares, _SHARES) for shares in counts / counts[:, -1:]])


def midway_equalization(image: Image, mean_quantiles: np.ndarray) -> Image:
    """φ(C(I)) in each channel, dtype kept; φ is the mean of the `quantiles` (C, 65536) of some images (S2 eq. 5.10).

    C(I) is rounded down to whole 65536ths. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    counts = cumulative_counts(image)
    places = np.maximum(counts * _N // counts[:, -1:], 1) - 1
    return replace_levels(image, np.take_along_axis(mean_quantiles, places, axis=1))


@dataclass(frozen=True, kw_only=True)
class MidwayEqualization(LearntStep):
    """Takes out differences of exposure as fairly as can be: no single image is the reference."""

    def apply(self, image: Image) -> Image:
        return midway_equalization(image, self.learnt_for(image))

    def fit(self, images: Iterable[Image]) -> Self:
        """One pass; memory does not grow with the images. Raises DatasetError if grey and colour images are mixed."""
        mean, n = np.zeros((0, _N)), 0
        for n, found in enumerate(map(quantiles, usable(images)), 1):
            if n > 1 and found.shape != mean.shape:
                raise DatasetError(
                    "grey and colour training images come together; put `grey` or `rgb` before `midway_equalization`"
                )
            mean = found if n == 1 else mean + (found - mean) / n
        return self.with_state({"learnt": mean.astype(np.float32)}) if n else self

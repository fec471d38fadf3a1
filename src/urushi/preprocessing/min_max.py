"""Each image stretched to [0, 1] by its own darkest and brightest pixel."""

from dataclasses import dataclass

import numpy as np

from urushi.preprocessing.base import Image, Step


def min_max(image: Image) -> Image:
    """(x − min) / (max − min) as float32 in [0, 1]; a constant image becomes all zeros (S2 eq. 5.15)."""
    low, high = np.float64(image.min()), np.float64(image.max())
    if high == low:
        return np.zeros(image.shape, np.float32)
    return ((image - low) / (high - low)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class MinMax(Step):
    """Removes differences of exposure, and with them the information in the absolute brightness."""

    def apply(self, image: Image) -> Image:
        return min_max(image)

"""Pixel values to [0, 1] by the range of their type."""

from dataclasses import dataclass

import numpy as np

from urushi.preprocessing._levels import require_levels
from urushi.preprocessing.base import Image, Step


def scale(image: Image) -> Image:
    """uint8 / 255, uint16 / 65535 -> float32 in [0, 1]; floats must lie in [0, 1] already (S2 eq. 5.16)."""
    if image.dtype.kind == "u":
        return (image / np.float32(np.iinfo(image.dtype).max)).astype(np.float32, copy=False)
    require_levels(image)
    return image.astype(np.float32, copy=False)


@dataclass(frozen=True, kw_only=True)
class Scale(Step):
    """The same factor for every image, so that brightness stays comparable."""

    def apply(self, image: Image) -> Image:
        return scale(image)

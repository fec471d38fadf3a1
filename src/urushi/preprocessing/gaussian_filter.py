"""Noise and details smoothed away alike (S2 §5.1.4)."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.preprocessing._levels import within_range_of
from urushi.preprocessing.base import Image, Step


def gaussian_filter(image: Image, sigma_px: float) -> Image:
    """Mean weighted by a Gaussian that is cut off at 4 sigma, dtype kept (S2 eq. 5.11 and 5.13).

    The border mirrors the image without repeating its last pixel. The result stays within the range of the image.
    """
    size = 2 * int(4 * sigma_px + 0.5) + 1
    # In 8 bits OpenCV rounds weights to 1/256, which makes a wide Gaussian a box; so integers go through floats.
    return within_range_of(image, cv2.GaussianBlur(image.astype(np.float32, copy=False), (size, size), sigma_px))


@dataclass(frozen=True, kw_only=True)
class GaussianFilter(Step):
    """Makes a method blind to details finer than sigma, noise among them."""

    sigma_px: Annotated[float, Field(ge=0.1, le=100, description="standard deviation")] = 1.0

    def apply(self, image: Image) -> Image:
        return gaussian_filter(image, self.sigma_px)

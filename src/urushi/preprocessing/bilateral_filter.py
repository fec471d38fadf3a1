"""Noise smoothed away, edges kept (S2 §5.1.4)."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.preprocessing._levels import full_scale, require_levels, within_range_of
from urushi.preprocessing.base import Image, Step


def bilateral_filter(image: Image, diameter_px: int, sigma_space_px: float, sigma_range: float) -> Image:
    """Mean weighted by distance in the picture and in grey level, dtype kept (S2 eq. 5.12).

    The neighbourhood is a disc of radius diameter_px // 2, at least 1; of 1.5·sigma_space_px if the diameter is 0.
    `sigma_range` is in levels 0…255; colours differ by the sum of the differences of their channels. The border
    mirrors the image without repeating its last pixel. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    require_levels(image)
    sigma = sigma_range / 255 * full_scale(image.dtype)
    pixels = image.astype(np.float32) if image.dtype == np.uint16 else image  # OpenCV takes no 16 bits here
    return within_range_of(image, cv2.bilateralFilter(pixels, diameter_px, sigma, sigma_space_px))


@dataclass(frozen=True, kw_only=True)
class BilateralFilter(Step):
    """A mean over those neighbours only that are about as bright."""

    diameter_px: Annotated[
        int, Field(ge=0, le=255, description="of the neighbourhood; even ones act as the next odd; 0: 3·sigma_space_px")
    ] = 5
    sigma_space_px: Annotated[float, Field(ge=0.1, le=255, description="of the weights by distance")] = 15.0
    sigma_range: Annotated[
        float, Field(ge=0.1, le=1000, description="of the weights by difference of grey level, 0…255")
    ] = 10.0

    def apply(self, image: Image) -> Image:
        return bilateral_filter(image, self.diameter_px, self.sigma_space_px, self.sigma_range)

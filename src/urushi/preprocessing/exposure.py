"""Each image brought to the same mean brightness by a factor."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.preprocessing._levels import apply_curve, full_scale, require_levels
from urushi.preprocessing.base import Image, Step

_DARKEST = 0.02  # five of 255 grey levels: what is darker is mostly noise, and noise is not blown up


def exposure(image: Image, mean: float) -> Image:
    """I · mean / (mean of I), on levels in [0, 1], clipped at full scale, dtype kept.

    The factor is at most that of an image of mean 0.02. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    factor = _factor(image, mean)
    if image.dtype.kind == "u":
        return apply_curve(image, lambda levels: factor * levels)
    require_levels(image)
    brighter: Image = np.minimum(image * image.dtype.type(factor), 1)
    return brighter


def _factor(image: Image, mean: float) -> float:
    return mean / max(_mean(image) / full_scale(image.dtype), _DARKEST)


def _mean(image: Image) -> float:
    """In double precision."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    return sum(cv2.mean(image)[:channels]) / channels


@dataclass(frozen=True, kw_only=True)
class Exposure(Step):
    """Removes differences of exposure; contrast within an image stays. That a part is too dark is not seen any more."""

    mean: Annotated[float, Field(gt=0, lt=1, description="of all pixels afterwards, as a share of full scale")] = 0.3

    def apply(self, image: Image) -> Image:
        return exposure(image, self.mean)

    def light_factor(self, image: Image) -> float:
        return _factor(image, self.mean)

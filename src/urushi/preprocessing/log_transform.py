"""X-ray intensity to attenuation, which adds up along the ray (Lambert–Beer)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.preprocessing._levels import apply_curve
from urushi.preprocessing.base import Image, Step


def log_transform(image: Image, open_beam_level: float = 255.0, max_attenuation: float = 5.0) -> Image:
    """−ln(I / I0) / max_attenuation as a share of full scale, dtype kept: the thicker or denser, the brighter.

    I0 is `open_beam_level`, in 0…255; brighter pixels become 0. Attenuation of `max_attenuation` and more saturates at
    full scale, and so do pixels of level 0. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    lowest = np.exp(-max_attenuation)  # the transmission that saturates; it also keeps the logarithm from zero

    def attenuation(levels: np.ndarray) -> np.ndarray:
        return -np.log(np.maximum(levels / (open_beam_level / 255), lowest)) / max_attenuation

    return apply_curve(image, attenuation)


@dataclass(frozen=True, kw_only=True)
class LogTransform(Step):
    """Makes a defect as visible in thick material as in thin; put `scale` first: 8 bits can't hold the result."""

    open_beam_level: Annotated[float, Field(gt=0, le=255, description="I0, level without an object, 0…255")] = 255.0
    max_attenuation: Annotated[float, Field(gt=0, le=50, description="−ln(I/I0) that becomes full scale")] = 5.0

    def apply(self, image: Image) -> Image:
        return log_transform(image, self.open_beam_level, self.max_attenuation)

"""Grey to three equal channels."""

from dataclasses import dataclass

import numpy as np

from urushi.preprocessing.base import Image, Step


def rgb(image: Image) -> Image:
    """(H, W) -> (H, W, 3) with equal channels; colour images pass unchanged."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


@dataclass(frozen=True, kw_only=True)
class Rgb(Step):
    """Three channels, whatever came."""

    def apply(self, image: Image) -> Image:
        return rgb(image)

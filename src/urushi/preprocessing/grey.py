"""Colour to grey."""

from dataclasses import dataclass

import cv2
import numpy as np

from urushi.preprocessing.base import Image, Step


def grey(image: Image) -> Image:
    """(H, W, 3) RGB of any depth -> (H, W) by the weights of ITU-R BT.601; grey images pass unchanged."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) if image.ndim == 3 else image


@dataclass(frozen=True, kw_only=True)
class Grey(Step):
    """One channel, whatever came."""

    def apply(self, image: Image) -> Image:
        return grey(image)

"""Pixels of a detector that never answer."""

from collections.abc import Iterable

import numpy as np

from urushi.preprocessing.base import Image
from urushi.preprocessing.grey import grey
from urushi.preprocessing.scale import scale

_FEWEST_IMAGES = 10  # in fewer, what is dark by chance is dark everywhere
_LARGEST_SHARE = 0.2


def find_dead_pixels(images: Iterable[Image]) -> np.ndarray | None:
    """Where every image is black, if that is somewhere: (H, W) bool, or (1, W) for a line detector's images.

    None if there are fewer than ten images, if they differ in width, or if a fifth of the pixels or more is black.
    """
    highest, n = np.zeros((0, 0), np.float32), 0
    for n, image in enumerate(images, 1):
        levels = scale(grey(image))
        highest = levels if n == 1 else _higher(highest, levels)
    dead = 255 * highest <= 1
    return dead if n >= _FEWEST_IMAGES and dead.size and 0 < dead.mean() < _LARGEST_SHARE else None


def _higher(highest: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The higher levels of both; of each column only, where heights differ; nothing at all, where widths differ."""
    if highest.shape[1] != levels.shape[1]:
        return np.zeros((0, 0), np.float32)
    if highest.shape[0] != levels.shape[0]:
        highest, levels = (part.max(axis=0, keepdims=True) for part in (highest, levels))
    return np.asarray(np.maximum(highest, levels))

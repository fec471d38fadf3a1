"""Single wrong pixels taken out (S2 §5.1.4)."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from urushi.errors import RecipeError
from urushi.preprocessing.base import Image, Step

_N_VALUES = 2**22  # sorted at once, so that memory stays small


def median_filter(image: Image, size_px: int) -> Image:
    """Median of each square of size_px × size_px in each channel, dtype kept; the border repeats the last pixel.

    Raises RecipeError unless the size is odd.
    """
    _require_odd(size_px)
    if image.dtype == np.uint8 or size_px <= 5:  # all that OpenCV can do
        return np.asarray(cv2.medianBlur(image, size_px))
    channels = np.atleast_3d(image)
    return np.stack([_median(channels[..., c], size_px) for c in range(channels.shape[2])], -1).reshape(image.shape)


@dataclass(frozen=True, kw_only=True)
class MedianFilter(Step):
    """Dead pixels and dust vanish if they are less than half of the square; edges stay sharp."""

    size_px: Annotated[
        int, Field(ge=3, le=255, description="side of the square, odd; over 5, slower unless images have 8 bits")
    ] = 3

    def __post_init__(self) -> None:
        _require_odd(self.size_px)

    def apply(self, image: Image) -> Image:
        return median_filter(image, self.size_px)


def _median(channel: np.ndarray, size: int) -> np.ndarray:
    """(H, W) -> (H, W), some pixels at a time."""
    windows = sliding_window_view(np.pad(channel, size // 2, mode="edge"), (size, size))  # (H, W, size, size)
    found, n, middle = np.empty(channel.size, channel.dtype), max(1, _N_VALUES // size**2), size**2 // 2
    for start in range(0, channel.size, n):
        rows, columns = np.divmod(np.arange(start, min(start + n, channel.size)), channel.shape[1])
        values = windows[rows, columns].reshape(len(rows), -1)
        values.partition(middle, axis=1)
        found[start : start + n] = values[:, middle]
    return found.reshape(channel.shape)


def _require_odd(size_px: int) -> None:
    if size_px % 2 == 0:
        raise RecipeError(f"preprocessing.median_filter.size_px = {size_px}: give an odd number, such as {size_px + 1}")

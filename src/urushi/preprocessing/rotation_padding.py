"""Room around an image, so that it may be turned by any angle without losing a pixel (S4 §7)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.preprocessing._levels import in_depth_of
from urushi.preprocessing.base import Image, Step
from urushi.preprocessing.resize import resize


def padded_size(height: int, width: int) -> tuple[int, int]:
    """The smallest size of the same shape whose short side holds the diagonal: ⌈n√2⌉ for a square of side n.

    It grows by one where the borders would be uneven. S4 gives 181 for n = 128, rounded down from 181.02.
    """
    factor = np.hypot(height, width) / min(height, width)
    larger_height, larger_width = (int(np.ceil(side * factor)) for side in (height, width))
    return larger_height + (larger_height - height) % 2, larger_width + (larger_width - width) % 2


def rotation_padding(image: Image, fill_level: float = 0) -> Image:
    """(H, W[, 3]) -> the same size: the image reduced to about 1/√2 amid a border of `fill_level` (0…255)."""
    height, width = image.shape[:2]
    larger_height, larger_width = padded_size(height, width)
    rows, columns = (larger_height - height) // 2, (larger_width - width) // 2
    borders = ((rows, rows), (columns, columns), (0, 0))[: image.ndim]
    fill = in_depth_of(np.array(fill_level / 255), image.dtype)
    return resize(np.pad(image, borders, constant_values=fill), height, width)


def central_region(height: int, width: int) -> np.ndarray:
    """(H, W) bool, true where a padded and resized pixel shows nothing but the image: where scores are to be taken."""
    region = np.zeros((height, width), bool)
    larger_height, larger_width = padded_size(height, width)
    region[_inside(height, larger_height), _inside(width, larger_width)] = True
    return region


@dataclass(frozen=True, kw_only=True)
class RotationPadding(Step):
    """Pads every image for turning, and resizes it back to its own size."""

    fill_level: Annotated[float, Field(ge=0, le=255, description="level of the border, 0…255")] = 0

    def apply(self, image: Image) -> Image:
        return rotation_padding(image, self.fill_level)

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        height, width = image.shape[:2]
        larger_height, larger_width = padded_size(height, width)
        left, top = (larger_width - width) / 2, (larger_height - height) / 2
        back = np.array([[larger_width / width, 0, -left], [0, larger_height / height, -top], [0, 0, 1]])
        return self.apply(image), back


def _inside(side: int, larger: int) -> slice:
    """Pixels that lie wholly in the image, which covers (larger − side)/2 … (larger + side)/2 before resizing."""
    first, last = (larger - side) * side, (larger + side) * side  # times 2·larger, in whole numbers
    return slice(-(-first // (2 * larger)), last // (2 * larger))

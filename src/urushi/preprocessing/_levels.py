"""Grey levels of any depth: 0…255 for 8 bits, 0…65535 for 16 bits, 0…1 for floats.

Options that name a grey level name it on the 8-bit scale 0…255, fractions allowed, whatever the depth of the image: one
recipe serves 8-bit, 16-bit and float images.
"""

from collections.abc import Callable

import cv2
import numpy as np

from urushi.errors import UnreadableImageError
from urushi.preprocessing.base import Image

Curve = Callable[[np.ndarray], np.ndarray]  # grey levels in [0, 1], float64 -> new ones


def full_scale(dtype: np.dtype) -> float:
    """The highest level of a type: 255, 65535, or 1 for floats."""
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0


def in_depth_of(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Levels in [0, 1] -> those of a type, clipped to its range and, for integers, rounded to the nearest."""
    if dtype.kind != "u":
        return np.asarray(np.clip(values, 0, 1), dtype)
    return np.asarray(np.rint(np.clip(values, 0, 1) * full_scale(dtype)), dtype)


def within_range_of(image: Image, values: np.ndarray) -> Image:
    """Filtered values in the dtype of `image` and its range, which sums of weights in single precision may leave."""
    if values.dtype == image.dtype and image.dtype.kind == "u":
        return values  # rounded by the filter itself
    inside = np.clip(values, image.min(), image.max())
    return np.asarray(np.rint(inside) if image.dtype.kind == "u" else inside, image.dtype)


def require_levels(image: Image) -> None:
    """Raises UnreadableImageError if a float image leaves [0, 1]: its values are then no grey levels."""
    if image.dtype.kind == "u":
        return
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 1):
        problem = f"float pixels range over {low:g}…{high:g}, but steps that work on grey levels take 0…1"
        advice = "state their bits (bits=8 for 0…255), put the step `min_max` before them or scale the images"
        raise UnreadableImageError("image", f"{problem}; {advice}")


def look_up(image: Image, table: np.ndarray) -> np.ndarray:
    """`table[image]` for unsigned integers; OpenCV is 4 to 8 times faster, but before version 5 only takes 8 bits."""
    return np.asarray(cv2.LUT(image, table)) if image.dtype == np.uint8 else np.asarray(table[image])


def apply_curve(image: Image, curve: Curve) -> Image:
    """Every level through `curve`, dtype kept; integers by a table, so that a curve may be slow.

    Raises UnreadableImageError if a float image leaves [0, 1].
    """
    require_levels(image)
    if image.dtype.kind != "u":
        return in_depth_of(curve(image.astype(np.float64)), image.dtype)
    levels = int(full_scale(image.dtype))
    return look_up(image, in_depth_of(curve(np.arange(levels + 1) / levels), image.dtype))

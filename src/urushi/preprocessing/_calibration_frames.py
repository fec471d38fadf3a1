"""Calibration images of an X-ray detector: one frame of an area detector, or the pixels of a line detector."""

from typing import Literal

import numpy as np

from urushi.data.images import read_image
from urushi.errors import UnreadableImageError
from urushi.preprocessing._levels import full_scale
from urushi.preprocessing.base import Image
from urushi.preprocessing.grey import grey
from urushi.printable import in_px

Detector = Literal["area", "line"]


def read_frame(path: str, detector: Detector) -> np.ndarray:
    """A calibration image as grey float32 in [0, 1]: (H, W), or (1, W), the mean of all lines, of a line detector.

    Each row of a line detector's image is one line, so that travel runs down the image. Raises UnreadableImageError.
    """
    image = read_image(path)
    frame = grey(image) / full_scale(image.dtype)
    return np.asarray(frame.mean(axis=0, keepdims=True) if detector == "line" else frame, np.float32)


def repeated(frame: np.ndarray, image: Image, name: str) -> np.ndarray:
    """A frame at the size of an image, one line repeated over all lines; raises UnreadableImageError if it differs."""
    (height, width), (n_lines, n_columns) = image.shape[:2], frame.shape
    if n_columns != width or n_lines not in (1, height):
        found = f"{in_px((height, width))}, but {name} has {in_px(frame.shape)}"
        remedy = "put the step before those that crop or resize, and calibrate with the detector of the images"
        raise UnreadableImageError("image", f"{found}; {remedy}")
    return np.broadcast_to(frame, (height, width))

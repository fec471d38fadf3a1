"""The true mask of an image as a contour, to be drawn over its picture."""

from pathlib import Path

import cv2
import numpy as np

from urushi.data.masks import fitting, read_mask
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection

_LONG_SIDE_PX = 512  # finer than this a contour is not shown
_MOST_PARTS = 50


def outline(mask: Path, inspection: Inspection) -> tuple[str, ...]:
    """Paths for SVG in pixels of the original image, the largest parts first.

    There are none where the mask cannot be read or does not fit its image; the evaluation says why.
    """
    try:
        whole = fitting(read_mask(mask), inspection.original_size, Path(inspection.source))
    except UnreadableImageError:
        return ()
    return () if whole is None else contours(whole, inspection.original_size)


def contours(mask: np.ndarray, size: tuple[float, float]) -> tuple[str, ...]:
    """Round the parts of a mask (h, w) bool that lies on an image of a size (height, width) in px."""
    marked = _shrunk(mask)
    found, _ = cv2.findContours(marked, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:_MOST_PARTS]
    scale = np.array([size[1] / marked.shape[1], size[0] / marked.shape[0]])
    return tuple(_path((points[:, 0] + 0.5) * scale) for points in largest)


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """As 0 and 1 in uint8, at most 512 px a side, no part of it lost."""
    factor = max(mask.shape) / _LONG_SIDE_PX
    marked = mask.astype(np.uint8)
    if factor <= 1:
        return marked
    height, width = (max(1, round(side / factor)) for side in mask.shape)
    share = cv2.resize(marked.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return (share > 0).astype(np.uint8)


def _path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"

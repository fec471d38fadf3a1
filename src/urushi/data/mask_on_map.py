"""Masks as prepared images and their anomaly maps see them."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from urushi.errors import InputError
from urushi.inspection.turning import is_turned, warp

_FINER = 4  # samples a side of each pixel of a map that is turned against the mask


def fit_mask(
    mask: NDArray[Any], size: tuple[int, int], to_original: NDArray[Any], original_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """A mask (h, w), non-zero = marked, as bool of a map's `size` (height, width) in px.

    `to_original` is the 3×3 matrix from the map's pixel corners to those of the image of `original_size`; what
    preprocessing cut off is left out, what it added is not marked. A pixel is marked if more than half of its area is
    (FINDINGS, 'Evaluation conventions'), so a smaller mark vanishes. Raises InputError if the mask has no pixels.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise InputError(f"A mask has shape {mask.shape}; allowed is (height, width) with at least one pixel.")
    scale = np.array([mask.shape[1] / original_size[1], mask.shape[0] / original_size[0]])
    marked = (mask != 0).astype(np.float32)
    seen = (
        _turned(marked, size, scale, to_original) if is_turned(to_original) else _seen(marked, size, scale, to_original)
    )
    share = cv2.resize(seen, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0.5)


def _turned(
    mask: NDArray[np.float32], size: tuple[int, int], scale: NDArray[Any], to_original: NDArray[Any]
) -> NDArray[np.float32]:
    """What a map sees of a mask that lies askew to it, at a multiple of the map's size."""
    places = np.diag([*scale, 1.0]) @ to_original @ np.diag([1 / _FINER, 1 / _FINER, 1])
    return warp(mask, places, (size[0] * _FINER, size[1] * _FINER))


def _seen(
    mask: NDArray[np.float32], size: tuple[int, int], scale: NDArray[Any], to_original: NDArray[Any]
) -> NDArray[np.float32]:
    """The window of a mask that a map sees."""
    corners = (to_original @ np.array([[0, size[1]], [0, size[0]], [1, 1]]))[:2] * scale[:, None]
    return _window(mask, *np.rint(corners.T).astype(int))


def _window(mask: NDArray[np.float32], start: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float32]:
    """From corner (x, y) to corner (x, y), at least one pixel a side; zero where the mask does not reach."""
    (left, top), (right, bottom) = start, np.maximum(stop, start + 1)
    window = np.zeros((bottom - top, right - left), np.float32)
    rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    inside = mask[rows, columns]
    y, x = max(-top, 0), max(-left, 0)
    window[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return window

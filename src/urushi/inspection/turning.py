"""Pictures of an image that preprocessing has turned, turned back, so that they lie as the original does."""

from collections.abc import Sequence

import cv2
import numpy as np


def is_turned(to_original: np.ndarray) -> bool:
    """Whether a 3×3 matrix does more than shift and stretch."""
    return bool(np.abs(to_original[[0, 1, 2, 2], [1, 0, 0, 1]]).max() > 1e-9)


def whole_original(size: tuple[int, int], original_size: tuple[int, int]) -> np.ndarray:
    """3×3, pixel corners of a picture of `size` (height, width) px that shows the whole original -> those of that."""
    return np.diag([original_size[1] / size[1], original_size[0] / size[0], 1.0])


def beyond_original(
    size: tuple[int, int], to_original: np.ndarray, original_size: tuple[int, int]
) -> np.ndarray | None:
    """Which pixels of a picture of `size` (height, width) do not lie wholly in the original image, bool; None: all do.

    `to_original` is the 3×3 matrix from the picture's pixel corners to those of the original of (height, width) px.
    """
    ends = np.meshgrid([0, size[1]], [0, size[0]])
    if _inside(ends, to_original, original_size).all():
        return None
    inside = _inside(np.meshgrid(*(np.arange(side + 1) for side in size[::-1])), to_original, original_size)
    return np.asarray(~(inside[1:, 1:] & inside[1:, :-1] & inside[:-1, 1:] & inside[:-1, :-1]))


def _inside(corners: Sequence[np.ndarray], to_original: np.ndarray, original_size: tuple[int, int]) -> np.ndarray:
    """Whether corners (x, y) of pixels lie in the original or on its edge, to a thousandth of a pixel."""
    x, y, w = np.tensordot(to_original, np.stack([*corners, np.ones_like(corners[0])]), axes=1)
    height, width = original_size
    is_inside = (np.abs(x / w - width / 2) <= width / 2 + 1e-3) & (np.abs(y / w - height / 2) <= height / 2 + 1e-3)
    return np.asarray(is_inside)


def as_original_lies(picture: np.ndarray, to_original: np.ndarray, original_size: tuple[int, int]) -> np.ndarray:
    """`turned_back`, dark beyond the original, where preprocessing has turned the image; else as it is."""
    return turned_back(picture, to_original, original_size, 0) if is_turned(to_original) else picture


def turned_back(
    picture: np.ndarray, to_original: np.ndarray, original_size: tuple[int, int], beyond: float
) -> np.ndarray:
    """(H, W[, C]) float32 -> the same shape, showing the whole original; `beyond` where the picture does not reach.

    `to_original` is the 3×3 matrix from the picture's pixel corners to those of the original of (height, width) px.
    """
    height, width = picture.shape[:2]
    places = np.linalg.inv(to_original) @ whole_original((height, width), original_size)
    turned = warp(picture, places, (height, width), beyond)
    return turned.reshape(picture.shape)  # OpenCV drops an only channel


def warp(picture: np.ndarray, places: np.ndarray, size: tuple[int, int], beyond: float = 0) -> np.ndarray:
    """A picture of `size` (height, width) whose pixel corners show those of another that a 3×3 matrix says."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    centres = np.linalg.inv(half) @ places @ half
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = [beyond] * 4
    return np.asarray(cv2.warpPerspective(picture, centres, size[::-1], flags=flags, borderValue=border))

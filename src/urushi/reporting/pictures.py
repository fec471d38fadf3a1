"""Bring pictures to the size they are shown at, and into a page as data URIs of bounded size."""

import base64
import io
import math

import cv2
import numpy as np
from PIL import Image

_MOST_ELONGATED = 16  # a picture of one pixel in height would be invisible: show at most 16:1
_TINY_PX = 64  # up to this size single pixels are meant to be seen, so enlarging repeats them
_QUALITIES = (90, 60)
_FAINT, _BEST = 0.25, 98  # the share of the bytes up to which a picture is faint, and the quality that it gets then
_ALPHA_QUALITY = 60  # an alpha channel is coded without loss after this: it would take most of the bytes
_BOUNDLESS = 1e30  # stands for infinity where values are interpolated, as infinity times zero is not a number


def display_size_of_area(original_size: tuple[float, float], side_px: int) -> tuple[int, int]:
    """Give the (height, width) with about the area of a square of that side, four times as long at most."""
    ratio = max(original_size) / max(min(original_size), 1)
    return display_size(original_size, round(side_px * min(math.sqrt(ratio), 4)))


def display_size(original_size: tuple[float, float], long_side_px: int) -> tuple[int, int]:
    """Give the (height, width) with that long side and the aspect ratio of the original, at most 16:1."""
    height, width = (max(side, 1) for side in original_size)
    shortest_px = max(1, long_side_px // _MOST_ELONGATED)
    factor = long_side_px / max(height, width)
    return max(shortest_px, round(height * factor)), max(shortest_px, round(width * factor))


def rgb_bytes(image: np.ndarray) -> np.ndarray:
    """Turn an image (H, W, C) in [0, 1] into (H, W, 3) uint8 RGB; anything but three channels is shown grey."""
    rgb = image if image.shape[-1] == 3 else np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.asarray(np.rint(np.clip(np.nan_to_num(rgb), 0, 1) * 255).astype(np.uint8))


def resize_image(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a uint8 picture (H, W, 3) to (height, width): averaged where it shrinks, squares where it is tiny."""
    height, width = picture.shape[:2]
    if size[0] * size[1] < height * width:
        how = cv2.INTER_AREA
    else:
        how = cv2.INTER_NEAREST if max(height, width) <= _TINY_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how))


def resize_map(anomaly_map: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an anomaly map (H, W) to (height, width) so that no peak is lost: the maximum where it shrinks."""
    # What is not a number counts as infinite: unknown is not normal.
    values = np.clip(np.nan_to_num(anomaly_map.astype(np.float32), nan=_BOUNDLESS), -_BOUNDLESS, _BOUNDLESS)
    shrink_y, shrink_x = values.shape[0] / size[0], values.shape[1] / size[1]
    if max(shrink_y, shrink_x) <= 1:
        return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR))
    # Averaging would dim a small defect until it looks normal, so each shown pixel takes the largest value beneath it.
    window = np.ones((math.ceil(max(shrink_y, 1)) + 1, math.ceil(max(shrink_x, 1)) + 1), np.uint8)
    return np.asarray(cv2.resize(cv2.dilate(values, window), size[::-1], interpolation=cv2.INTER_NEAREST))


def data_uri(picture: np.ndarray, most_bytes: int = 14_000) -> str:
    """Encode a uint8 picture (H, W, 3 or 4) as a WebP data URI, as `webp` does."""
    return "data:image/webp;base64," + base64.b64encode(webp(picture, most_bytes)).decode("ascii")


def from_data_uri(uri: str) -> bytes:
    """Give the file back that a data URI holds."""
    return base64.b64decode(uri.partition(",")[2])


def webp(picture: np.ndarray, most_bytes: int = 14_000) -> bytes:
    """Encode a uint8 picture (H, W, 3 or 4) as a WebP file of at most `most_bytes`.

    What is larger loses quality first, and resolution after that: noise cannot be compressed otherwise.
    """
    encoded = _smallest_loss(picture, most_bytes)
    while encoded is None:
        height, width = picture.shape[:2]
        picture = cv2.resize(picture, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
        encoded = _smallest_loss(picture, most_bytes)
    return encoded


def svg_uri(document: str) -> str:
    """Encode an SVG document as a data URI: as an image, its ids and styles can't meet those of the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(document.encode()).decode("ascii")


def _smallest_loss(picture: np.ndarray, most_bytes: int) -> bytes | None:
    tries = (_webp(picture, quality) for quality in _QUALITIES)
    is_last = max(picture.shape[:2]) == 1
    found = next((encoded for encoded in tries if len(encoded) <= most_bytes or is_last), None)
    if found is None or len(found) > _FAINT * most_bytes:
        return found
    # Little contrast takes few bytes, and its levels are what is looked for once the contrast is raised.
    best = _webp(picture, _BEST)
    return best if len(best) <= most_bytes else found


def _webp(picture: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality, alpha_quality=_ALPHA_QUALITY, method=0)
    return buffer.getvalue()

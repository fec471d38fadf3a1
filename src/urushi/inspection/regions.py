"""From an anomaly map to boxes in the original image."""

import cv2
import numpy as np

from urushi.inspection import Region


def find_places(
    anomaly_map: np.ndarray, threshold: float, to_original: np.ndarray, original_size: tuple[int, int]
) -> tuple[Region, ...]:
    """The regions of a map (H, W) or, where it has none, its highest place, as far as half its height above the median.

    The other arguments are those of `find_regions`.
    """
    if regions := find_regions(anomaly_map, threshold, to_original, original_size):
        return regions
    finite = np.nan_to_num(anomaly_map)
    half = (np.median(finite) + finite.max()) / 2
    level = np.nextafter(np.float32(half), np.float32(-np.inf))  # a flat map is one place
    return find_regions(finite, float(level), to_original, original_size)[:1]


def find_regions(
    anomaly_map: np.ndarray, threshold: float, to_original: np.ndarray, original_size: tuple[int, int]
) -> tuple[Region, ...]:
    """Connected parts (8 neighbours) of the map (H, W) above the threshold, highest peak first.

    `to_original` is the 3×3 matrix from the map's pixel corners to those of the original image of (height, width) px.
    """
    above = anomaly_map > threshold
    if not above.any():
        return ()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above.view(np.uint8), connectivity=8)
    left, top, width, height, areas = stats[1:].T  # the first is the background
    peaks = _peaks(anomaly_map[above], labels[above] - 1, len(areas))
    boxes = _boxes(to_original, np.stack([left, top, left + width, top + height]), original_size)
    areas = np.maximum(1, np.rint(areas * abs(np.linalg.det(to_original[:2, :2]))))
    order = np.argsort(-peaks, kind="stable")
    columns = (*boxes[:, order].tolist(), areas[order].astype(int).tolist(), peaks[order].tolist())
    return tuple(Region(*values) for values in zip(*columns, strict=True))


def _peaks(values: np.ndarray, owners: np.ndarray, n: int) -> np.ndarray:
    """The highest of the values of each owner 0 … n − 1."""
    peaks = np.full(n, -np.inf)
    np.maximum.at(peaks, owners, values)
    return peaks


def _boxes(to_original: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(4, n) left, top, right, bottom -> (4, n) x, y, width, height of the smallest upright boxes of whole pixels round
    the transformed corners, inside the image.
    """
    left, top, right, bottom = boxes
    corners = np.stack([[left, right, left, right], [top, top, bottom, bottom], np.ones((4, len(left)))])
    x, y, scale = np.tensordot(to_original, corners, axes=1)
    places = np.stack([x, y]) / scale  # (2, 4, n)
    most = np.array([size[1], size[0]])[:, None]
    low = np.clip(np.floor(places.min(axis=1) + 1e-6), 0, most - 1)
    high = np.clip(np.ceil(places.max(axis=1) - 1e-6), low + 1, most)
    return np.concatenate([low, high - low]).astype(int)

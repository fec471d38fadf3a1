"""From an anomaly map to boxes in the original image."""

import cv2
import numpy as np

from urushi.inspection import Region


def find_regions(
    anomaly_map: np.ndarray, threshold: float, to_original: np.ndarray, original_size: tuple[int, int]
) -> tuple[Region, ...]:
    """Connected parts (8 neighbours) of the map (H, W) above the threshold, highest peak first.

    `to_original` is the 3×3 matrix from the map's pixel corners to those of the original image of (height, width) px.
    """
    above = (anomaly_map > threshold).astype(np.uint8)
    if not above.any():
        return ()
    n, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    regions = [_region(anomaly_map, labels, stats[i], i, to_original, original_size) for i in range(1, n)]
    return tuple(sorted(regions, key=lambda region: -region.peak))


def _region(
    anomaly_map: np.ndarray,
    labels: np.ndarray,
    stats: np.ndarray,
    label: int,
    to_original: np.ndarray,
    original_size: tuple[int, int],
) -> Region:
    x, y, width, height, area = (int(value) for value in stats)
    window = np.s_[y : y + height, x : x + width]
    peak = float(anomaly_map[window][labels[window] == label].max())
    left, top, right, bottom = _box(to_original, (x, y, x + width, y + height), original_size)
    scale = abs(float(np.linalg.det(to_original[:2, :2])))
    return Region(left, top, right - left, bottom - top, max(1, round(area * scale)), peak)


def _box(to_original: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The smallest upright box of whole pixels around the transformed corners, inside the image."""
    left, top, right, bottom = box
    corners = to_original @ np.array([[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]])
    xs, ys = corners[:2] / corners[2]
    limits = np.array([0, 0, size[1], size[0]])
    low = np.clip([np.floor(xs.min() + 1e-6), np.floor(ys.min() + 1e-6)], 0, limits[2:] - 1)
    high = np.clip([np.ceil(xs.max() - 1e-6), np.ceil(ys.max() - 1e-6)], low + 1, limits[2:])
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])

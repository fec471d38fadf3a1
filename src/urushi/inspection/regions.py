"""From an anomaly map to boxes in the original image."""

import cv2
import numpy as np

from urushi.inspection import Region
from urushi.inspection.turning import is_turned

_SPARSE = 4  # px: a median of a map needs no more


def find_places(
    anomaly_map: np.ndarray,
    threshold: float,
    to_original: np.ndarray,
    original_size: tuple[int, int],
    ignored: np.ndarray | None = None,
) -> tuple[Region, ...]:
    """The regions of a map (H, W) or, where it has none, its highest place, as far as half its height above the median.

    No place lies in what is `ignored`, (H, W) bool: the map is 0 there. All else is as in `find_regions`.
    """
    if regions := find_regions(anomaly_map, threshold, to_original, original_size):
        return regions
    finite, level = _highest(anomaly_map, ignored)
    return find_regions(finite, level, to_original, original_size)[:1]


def marks(anomaly_map: np.ndarray, threshold: float, ignored: np.ndarray | None = None) -> np.ndarray:
    """Which pixels of a map (H, W) are in the places that `find_places` gives, bool."""
    if (above := anomaly_map > threshold).any():
        return above
    finite, level = _highest(anomaly_map, ignored)
    _, labels = cv2.connectedComponents((finite > level).view(np.uint8), connectivity=8)
    return np.asarray(labels == labels.flat[finite.argmax()])


def middle_of(anomaly_map: np.ndarray, ignored: np.ndarray | None = None) -> np.float32:
    """The median of a map (H, W), from a sixteenth of its pixels: it is enlarged from cells in most cases."""
    if ignored is not None:
        return np.float32(np.median(anomaly_map[~ignored]))
    return np.float32(np.median(anomaly_map[::_SPARSE, ::_SPARSE]))


def inspected(anomaly_map: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """The values of a map (H, W) that count: all, or those outside what is ignored, (H, W) bool."""
    return anomaly_map if ignored is None else anomaly_map[~ignored]


def _highest(anomaly_map: np.ndarray, ignored: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The map without what is no number and with nothing where it is ignored, and half its height above the median."""
    finite = anomaly_map if np.isfinite(anomaly_map).all() else np.nan_to_num(anomaly_map)
    half = (middle_of(finite, ignored) + inspected(finite, ignored).max()) / 2
    finite = finite if ignored is None else np.where(ignored, -np.inf, finite)
    return finite, float(np.nextafter(np.float32(half), np.float32(-np.inf)))  # a flat map is one place


def find_regions(
    anomaly_map: np.ndarray, threshold: float, to_original: np.ndarray, original_size: tuple[int, int]
) -> tuple[Region, ...]:
    """Connected parts (8 neighbours) of the map (H, W) above the threshold, highest peak first.

    `to_original` is the 3×3 matrix from the map's pixel corners to those of the original image of (height, width) px.
    """
    above = anomaly_map > threshold
    if not above.any():
        return ()
    x, y, columns, rows = cv2.boundingRect(above.view(np.uint8))
    inside = np.s_[y : y + rows, x : x + columns]
    above = np.ascontiguousarray(above[inside])
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above.view(np.uint8), connectivity=8)
    left, top, width, height, areas = stats[1:].T + np.array([[x], [y], [0], [0], [0]])  # the first is the background
    peaks, first = _peaks(anomaly_map[inside][above], labels[above] - 1, len(areas))
    if is_turned(to_original):  # the box of a turned box would be too large
        boxes = _boxes_of_pixels(to_original, labels, (x, y), original_size)
    else:
        boxes = _boxes(to_original, np.stack([left, top, left + width, top + height]), original_size)
    areas = np.maximum(1, np.rint(areas * abs(np.linalg.det(to_original[:2, :2]))))
    order = np.lexsort((first, -peaks))  # of equal ones the first in the map, as in `marks`
    found = (*boxes[:, order].tolist(), areas[order].astype(int).tolist(), peaks[order].tolist())
    return tuple(Region(*values) for values in zip(*found, strict=True))


def mask_in_original(above: np.ndarray, to_original: np.ndarray, original_size: tuple[int, int]) -> np.ndarray:
    """What a map marks (H, W) bool, as bool of the original image of (height, width) px: each pixel that it touches.

    `to_original` is as in `find_regions`; it may shift and stretch, not turn.
    """
    for axis in (0, 1):
        place = 1 - axis  # x comes first in a matrix, rows come first in an array
        above = _touched(above, axis, original_size[axis], to_original[place, place], to_original[place, 2])
    return above


def _touched(marks: np.ndarray, axis: int, n: int, stretch: float, shift: float) -> np.ndarray:
    """Along one axis: which of n pixels a marked one touches, if one is `stretch` long and the first at `shift`."""
    edges = (np.arange(n + 1) - shift) / stretch
    padded = np.pad(marks, [(1, 1) if axis == own else (0, 0) for own in range(2)])
    start = np.clip(np.floor(edges[:-1] + 1e-6) + 1, 0, padded.shape[axis] - 1).astype(int)
    last = np.clip(np.ceil(edges[1:] - 1e-6), start, padded.shape[axis] - 1).astype(int)
    found = padded.take(start, axis)
    for further in range(1, int((last - start).max()) + 1):
        found |= padded.take(np.minimum(start + further, last), axis)
    return np.asarray(found)


def _peaks(values: np.ndarray, owners: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The highest of the values of each owner 0 … n − 1, and where it is first."""
    peaks, first = np.full(n, -np.inf), np.zeros(n, np.intp)
    np.maximum.at(peaks, owners, values)
    highest = np.flatnonzero(values == peaks[owners])[::-1]
    first[owners[highest]] = highest
    return peaks, first


def _boxes(to_original: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(4, n) left, top, right, bottom -> (4, n) x, y, width, height of the smallest upright boxes of whole pixels round
    the transformed corners, inside the image.
    """
    places = _corners(to_original, boxes)
    return _upright(places.min(axis=1), places.max(axis=1), size)


def _boxes_of_pixels(
    to_original: np.ndarray, labels: np.ndarray, start: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """As `_boxes`, round the transformed pixels of each label 1 … n (h, w), whose first pixel is `start` (x, y)."""
    rows, columns = np.nonzero(labels)
    owners, left, top = labels[rows, columns] - 1, columns + start[0], rows + start[1]
    places = _corners(to_original, np.stack([left, top, left + 1, top + 1]))
    low, high = (np.full((labels.max(), 2), limit) for limit in (np.inf, -np.inf))
    np.minimum.at(low, owners, places.min(axis=1).T)
    np.maximum.at(high, owners, places.max(axis=1).T)
    return _upright(low.T, high.T, size)


def _corners(to_original: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(4, n) left, top, right, bottom -> (2, 4, n) x and y of the transformed corners."""
    left, top, right, bottom = boxes
    corners = np.stack([[left, right, left, right], [top, top, bottom, bottom], np.ones((4, len(left)))])
    x, y, scale = np.tensordot(to_original, corners, axes=1)
    return np.asarray(np.stack([x, y]) / scale)


def _upright(low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(4, n) x, y, width, height of whole pixels from the lowest to the highest x and y (2, n), inside the image."""
    most = np.array([size[1], size[0]])[:, None]
    first = np.clip(np.floor(low + 1e-6), 0, most - 1)
    last = np.clip(np.ceil(high - 1e-6), first + 1, most)
    return np.concatenate([first, last - first]).astype(int)

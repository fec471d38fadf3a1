"""Defects planted into good images, fainter and fainter, and what a detector says of them.

They are no real defects: what is found of them shows how much a detector sees, not how many defects of a line it will
find.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from urushi.data import defects
from urushi.detector import Detector
from urushi.inspection import Inspection

STRENGTHS = (1.0, 0.5, 0.25, 0.125)  # opacity of what is laid over the good image


class Planted(NamedTuple):
    """A good image with a defect."""

    kind: str
    box: tuple[int, int, int, int]  # x, y, width, height in px
    found: Inspection


def planted(detector: Detector, image: np.ndarray, rng: np.random.Generator) -> Iterator[Planted]:
    """An image (H, W[, 3]) with one defect that is drawn for it where the detector looks, at each strength.

    Raises InputError for an image on which none can be, UnreadableImageError for one that cannot be inspected.
    """
    full_scale = None if image.dtype == np.uint8 else max(1.0, float(image.max()))
    area = detector.pipeline.ignored
    ignored = None if area is None else area.on_image((image.shape[0], image.shape[1]))
    defect = defects.draw_inspected(rng, image.shape, ignored)
    for strength in STRENGTHS:
        spoilt, mask = defects.apply(image, defect, full_scale=full_scale, opacity=strength)
        yield Planted(defect.kind, _box(mask), detector.inspect(spoilt))


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    return int(left), int(top), int(right - left + 1), int(bottom - top + 1)

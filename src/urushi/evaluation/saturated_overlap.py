"""sPRO: saturated per-region overlap (MVTec LOCO, Bergmann et al., IJCV 2022).

A region counts as found whole once its saturation area is found, so its overlap is min(found / saturation area, 1).
From the highest value of the map down, each pixel adds one part of the saturation area until that is full, and nothing
from then on. The sum over a tail of bins is then exactly that overlap, and no map is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.data.mask_on_map import fit_mask
from urushi.data.masks import fitting, misfit
from urushi.data.saturation import Region
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection


@dataclass(frozen=True)
class MapRegion:
    """One region at the resolution of the map, (H, W), and its saturation area in px of the map."""

    mask: NDArray[np.bool_]
    saturation_px: float


def map_regions(regions: Sequence[Region], inspection: Inspection, image: str) -> list[MapRegion]:
    """Regions as the anomaly map sees them, without those that vanish there. Raises UnreadableImageError."""
    found = [_map_region(region, inspection, image) for region in regions]
    return [region for region in found if region.mask.any()]


def saturated_weights(
    values: NDArray[Any], mask: NDArray[np.bool_], regions: Sequence[MapRegion]
) -> NDArray[np.float64]:
    """What each defect pixel adds to the saturated overlaps of an image, summed, in the order of `mask[mask]`.

    `values` (H, W) ascend with the map; the regions lie in the mask (H, W) and may overlap.
    """
    from_left, weights = values.ravel(), np.zeros(mask.size)
    for region in regions:
        inside = np.flatnonzero(region.mask)
        descending = inside[np.argsort(from_left[inside], kind="stable")[::-1]]
        weights[descending] += np.diff(np.minimum(np.arange(len(inside) + 1) / region.saturation_px, 1))
    return weights[mask.ravel()]


def _map_region(region: Region, inspection: Inspection, image: str) -> MapRegion:
    """Saturation areas are px of the original, whose number under one pixel of the map is known."""
    turned = fitting(region.mask, inspection.original_size, Path(image))
    if turned is None:
        raise UnreadableImageError(str(region.file), misfit(region.mask, inspection.original_size))
    size = inspection.anomaly_map.shape
    mask = fit_mask(turned, (size[0], size[1]), inspection.to_original, inspection.original_size)
    originals = float(abs(np.linalg.det(inspection.to_original[:2, :2])))
    return MapRegion(mask, region.saturation.saturation_px(round(mask.sum() * originals)) / originals)

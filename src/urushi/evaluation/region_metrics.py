"""Figures of the regions that a detector shows: of pixels above its own threshold for them, chosen on normal images."""

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.curves import FloatArray, ratio

REGION_FIGURES = ("seg_f1", "iou", "pro")
FoundPixels = tuple[float, float, float, float]


def found_pixels(is_found: NDArray[np.bool_], mask: NDArray[np.bool_], weights: NDArray[np.float64]) -> FoundPixels:
    """Defect pixels found, normal ones found, defect pixels missed, and the shares of components found, summed.

    Of one image, (H, W) each; `weights` are 1/|component| of its defect pixels.
    """
    hits = is_found[mask]
    n_hits, n_found = float(hits.sum()), float(is_found.sum())
    return n_hits, n_found - n_hits, len(hits) - n_hits, float(weights[hits].sum())


def region_figures(found: FloatArray, n_components: FloatArray) -> dict[str, FloatArray]:
    """F1 and IoU over all pixels, and the mean share of each component found, in [0, 1], (R,) each.

    `found` (4, R) are sums of `found_pixels` over images. NaN where there is no component.
    """
    hits, false, missed, overlap = (np.where(n_components > 0, one, np.nan) for one in found)
    return {
        "seg_f1": ratio(2 * hits, 2 * hits + false + missed),
        "iou": ratio(hits, hits + false + missed),
        "pro": ratio(overlap, n_components),
    }

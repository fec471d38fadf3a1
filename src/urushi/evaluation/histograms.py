"""Fixed bins of float32 values: no range is needed beforehand, and no value is ever out of it.

Their width is relative, so an offset that all values share is taken off first.

The bit patterns of non-negative float32 ascend with their values (and descend for negatives, hence the flip of signs),
so the upper 20 bits make 2²⁰ bins of 0.05 % relative width, and the upper 16 bits 2¹⁶ bins of 0.8 %.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.region_metrics import FoundPixels

FINE_BITS = 20  # of 32: sign, exponent and 11 bits of the mantissa
COARSE_BITS = 16
_SIGN = np.uint32(1 << 31)


def bin_of(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """The bin in [0, 2²⁰) of each float32, any shape; never decreasing with the value, and -0.0 is 0.0."""
    bits = np.ascontiguousarray(values + np.float32(0)).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered >> np.uint32(32 - FINE_BITS)).astype(np.intp)


def coarse(bins: NDArray[Any]) -> NDArray[np.intp]:
    """The coarse bin in [0, 2¹⁶) that holds each fine bin."""
    return np.asarray(bins, dtype=np.intp) >> (FINE_BITS - COARSE_BITS)


def lower_edge(bins: NDArray[np.intp]) -> NDArray[np.float32]:
    """The lowest float32 in each fine bin, any shape."""
    ordered = bins.astype(np.uint32) << np.uint32(32 - FINE_BITS)
    return np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).astype(np.uint32).view(np.float32)


@dataclass(frozen=True)
class ImageHistograms:
    """Some kB of one image: only bins that occur are kept, coarse ones where only intervals need them."""

    source: str
    normal_bins: NDArray[np.int32]  # (K,) coarse bins of normal pixels
    normal_counts: NDArray[np.float32]  # (K,)
    defect_bins: NDArray[np.int32]  # (J,) fine bins of defect pixels
    defect_counts: NDArray[np.float32]  # (J,)
    defect_weights: NDArray[np.float32]  # (J,) where each pixel counts 1/|component|
    saturated_weights: NDArray[np.float32]  # (J,) what each pixel adds to saturated overlaps
    n_components: int
    n_regions: int | None  # that saturate; None where it is not known how they do
    kind: str  # of defect, or what normal images are called
    found: FoundPixels | None  # at the detector's threshold for regions

    @property
    def n_pixels(self) -> int:
        """Of the map."""
        return int(self.normal_counts.sum(dtype=np.float64) + self.defect_counts.sum(dtype=np.float64))


def image_histograms(
    source: str,
    normal: NDArray[np.intp],
    defect: NDArray[np.intp],
    weights: NDArray[np.float64],
    n_components: int,
    *,
    saturated: NDArray[np.float64] | None = None,
    n_regions: int | None = None,
    kind: str = "",
    found: FoundPixels | None = None,
) -> ImageHistograms:
    """From the fine bins of normal and of defect pixels, and the weights of these, plain and saturated."""
    normal_counts = np.bincount(coarse(normal), minlength=1 << COARSE_BITS)
    normal_bins = np.flatnonzero(normal_counts)
    defect_bins, place = np.unique(defect, return_inverse=True)
    return ImageHistograms(
        source=source,
        normal_bins=normal_bins.astype(np.int32),
        normal_counts=normal_counts[normal_bins].astype(np.float32),
        defect_bins=defect_bins.astype(np.int32),
        defect_counts=np.bincount(place, minlength=len(defect_bins)).astype(np.float32),
        defect_weights=np.bincount(place, weights, minlength=len(defect_bins)).astype(np.float32),
        saturated_weights=np.bincount(place, saturated, minlength=len(defect_bins)).astype(np.float32),
        n_components=n_components,
        n_regions=n_regions,
        kind=kind,
        found=found,
    )

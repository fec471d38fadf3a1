"""What is kept of one anomaly map and its mask: two histograms over bins that are the same for all images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.float_bins import COARSE_BITS, coarse


@dataclass(frozen=True)
class ImageHistograms:
    """Some kB of one image: only bins that occur are kept, coarse ones where only intervals need them."""

    source: str
    normal_bins: NDArray[np.int32]  # (K,) coarse bins of normal pixels
    normal_counts: NDArray[np.float32]  # (K,)
    defect_bins: NDArray[np.int32]  # (J,) fine bins of defect pixels
    defect_counts: NDArray[np.float32]  # (J,)
    defect_weights: NDArray[np.float32]  # (J,) where each pixel counts 1/|component|
    n_components: int

    @property
    def n_pixels(self) -> int:
        """Of the map."""
        return int(self.normal_counts.sum(dtype=np.float64) + self.defect_counts.sum(dtype=np.float64))


def image_histograms(
    source: str, bins: NDArray[np.intp], mask: NDArray[np.bool_], weights: NDArray[np.float64], n_components: int
) -> ImageHistograms:
    """From the fine bin of each pixel (H, W), the mask (H, W), and the weights of its defect pixels."""
    normal_counts = np.bincount(coarse(bins[~mask]), minlength=1 << COARSE_BITS)
    normal_bins = np.flatnonzero(normal_counts)
    defect_bins, place = np.unique(bins[mask], return_inverse=True)
    return ImageHistograms(
        source=source,
        normal_bins=normal_bins.astype(np.int32),
        normal_counts=normal_counts[normal_bins].astype(np.float32),
        defect_bins=defect_bins.astype(np.int32),
        defect_counts=np.bincount(place, minlength=len(defect_bins)).astype(np.float32),
        defect_weights=np.bincount(place, weights, minlength=len(defect_bins)).astype(np.float32),
        n_components=n_components,
    )

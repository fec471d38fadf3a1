"""Histograms of all images over few bins, so that thousands of resamples are a matter of seconds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.curves import FloatArray
from urushi.evaluation.histograms import COARSE_BITS, ImageHistograms, coarse

_N_GROUPS = 1024  # coarse bins are joined to so many groups of about equal mass


def groups(masses: FloatArray, occupied: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The group of every coarse bin, and the first fine bin of each group; normals and defects weigh the same."""
    share = (masses / np.maximum(masses.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    bins, starts = np.unique(coarse(occupied), return_index=True)
    mass = np.add.reduceat(share, starts)
    wanted = ((np.cumsum(mass) - mass / 2) / mass.sum() * _N_GROUPS).astype(np.intp)
    _, firsts, group = np.unique(wanted, return_index=True, return_inverse=True)
    group_of = np.zeros(1 << COARSE_BITS, dtype=np.intp)
    group_of[bins] = group
    return group_of, occupied[starts[firsts]]


def stack(images: Sequence[ImageHistograms], group_of: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Histograms of every image over groups of bins, (4, n, n_groups)."""
    stacked = np.zeros((4, len(images), n_groups))
    for row, image in enumerate(images):
        normal, defect = group_of[image.normal_bins], group_of[coarse(image.defect_bins)]
        of_defects = (image.defect_counts, image.defect_weights, image.saturated_weights)
        masses = ((normal, image.normal_counts), *((defect, mass) for mass in of_defects))
        stacked[:, row] = [np.bincount(own, weights=mass, minlength=n_groups) for own, mass in masses]
    return stacked

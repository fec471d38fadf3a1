"""AUPRO: every connected defect counts the same, however large it is (MVTec AD, Bergmann et al. 2021)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.curves import FloatArray, area, ratio, tails


def component_weights(mask: NDArray[np.bool_]) -> tuple[FloatArray, int]:
    """1/|component| of each defect pixel of a mask (H, W), in the order of `mask[mask]`, and the number of components.

    Components are 8-connected, as in MVTec's evaluation code.
    """
    if not mask.any():
        return np.zeros(0), 0
    n_labels, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sizes = statistics[:, cv2.CC_STAT_AREA].astype(np.float64)
    return 1.0 / sizes[labels[mask]], n_labels - 1


def aupro(normal: FloatArray, overlap: FloatArray, n_components: FloatArray, limit: float) -> FloatArray:
    """Area under per-region overlap against false-positive rate in [0, limit], / limit; in [0, 1], (…).

    `normal` (…, K) counts normal pixels per bin of ascending score, `overlap` (…, K) sums the weights 1/|component| of
    defect pixels, `n_components` (…): the sum over a tail of bins, divided by `n_components`, is then exactly the mean
    over components of the share found. NaN where there is no component or no normal pixel.
    """
    false = tails(normal)
    found = ratio(tails(overlap), np.asarray(n_components)[..., None])
    return area(ratio(false, false[..., -1:]), found, limit)

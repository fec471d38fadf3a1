"""Which images of a folder of good ones look as if they were none (S4 §3; Beggel, Pfeiffer, Bischl 2019)."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.calibration._false_discovery import benjamini_hochberg

_FALSE_DISCOVERIES = 0.05
_DEVIATION = 1.4826  # of a normal distribution, per median absolute deviation


def suspicion(scores: ArrayLike) -> NDArray[np.float64]:
    """p-values of cross-fitted scores (n,) against their own middle: small for what is far above it.

    Scores, or their logarithms where all are positive, are taken as normal with the median and the median absolute
    deviation of all, which up to half of the images being something else would not move far. Rough: tails differ.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = np.log(values) if (values > 0).all() else values
    middle = np.median(values)
    spread = _DEVIATION * np.median(np.abs(values - middle))
    if spread == 0:
        return np.where(values > middle, 0.0, 0.5)
    return np.array([math.erfc((value - middle) / (spread * math.sqrt(2))) / 2 for value in values])


def suspicious(scores: ArrayLike) -> NDArray[np.bool_]:
    """Those that are likely no good images; about one in twenty of them is one after all, by Benjamini-Hochberg."""
    return benjamini_hochberg(suspicion(scores), _FALSE_DISCOVERIES)

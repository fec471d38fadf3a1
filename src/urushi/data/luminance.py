"""How bright an image is as a whole."""

import numpy as np


def luminance(image: np.ndarray) -> float:
    """Mean intensity of an image of any depth, in shares of its full scale (S2 eq. 6.15); floats as they are."""
    full_scale = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0
    return float(image.mean(dtype=np.float64)) / full_scale

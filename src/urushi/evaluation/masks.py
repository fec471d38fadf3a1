"""Ground-truth masks at the resolution of anomaly maps."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from urushi.errors import InputError


def fit_mask(mask_image: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask image (h, w) or (h, w, C), non-zero = defect, as bool of `size` (height, width) in px.

    A pixel is defective if more than half of its area is (FINDINGS, 'Evaluation conventions'), so a defect smaller
    than that vanishes. Raises InputError if the image has no pixels.
    """
    if mask_image.ndim not in (2, 3) or mask_image.size == 0:
        raise InputError(f"A mask has shape {mask_image.shape}; allowed is (height, width) with at least one pixel.")
    is_defect = mask_image != 0
    flat = is_defect if is_defect.ndim == 2 else is_defect.any(axis=2)
    share = cv2.resize(flat.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0.5)

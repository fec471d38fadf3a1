"""The threshold that parts the levels of a picture best."""

import cv2
import numpy as np


def otsu(levels: np.ndarray) -> float:
    """Otsu's threshold on the scale 0…255; the darker class is `levels <= threshold`.

    Levels are uint8, uint16, or floats within 0…255, which are rounded to 16 bits.
    """
    fine = levels if levels.dtype.kind == "u" else np.rint(np.clip(levels, 0, 255) * 257).astype(np.uint16)
    threshold, _ = cv2.threshold(fine, 0, 1, cv2.THRESH_OTSU)
    return float(threshold + 0.5) / (np.iinfo(fine.dtype).max // 255)  # half a step up: what is equal is dark

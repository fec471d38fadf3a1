"""Smooth random fields that belong to the product: the same wherever and however finely they are sampled."""

import cv2
import numpy as np


def texture(x_mm: np.ndarray, y_mm: np.ndarray, *, seed: int, grain_mm: float, reach_mm: float) -> np.ndarray:
    """(H, W) float32 of mean 0 and standard deviation about 0.7: random values every `grain_mm`, cubic between them.

    Defined for |x|, |y| <= `reach_mm`; mirrored beyond.
    """
    n = int(2 * reach_mm / grain_mm) + 3
    lattice = np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32)
    x, y = np.broadcast_arrays(x_mm, y_mm)
    column, row = (((c + reach_mm) / grain_mm + 1).astype(np.float32) for c in (x, y))
    return np.asarray(cv2.remap(lattice, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))

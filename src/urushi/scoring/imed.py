"""Image Euclidean distance: a squared error for which neighbouring pixels are related (S2 eqs 6.12–6.14)."""

import math
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import Pooling, PoolingOption, Quantile, Score, TopFraction


class Imed(Score):
    """The image score is dᵀGd for the difference d = x − x̂ (eq. 6.12), the map's sum; averaged over channels.

    With `root` it is √(dᵀGd), a distance, as S2's saved results suggest: it ranks images alike.

    G weighs every pair of pixels by a Gaussian of their distance. The map is the square of G^½d: never negative, as
    the products d·Gd may be, and its sum is the score exactly, at the border, too. G^½ smooths like a Gaussian that is
    narrower by √2.
    """

    default_pooling: Pooling = "sum"

    def __init__(
        self,
        space: Space,
        *,
        root: Annotated[bool, Field(description="the image score is the root of the sum, a distance")] = False,
        sigma_px: Annotated[
            float, Field(gt=0, le=20, description="width of the Gaussian; in cells where features are compared")
        ] = 1.0,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.root, self.sigma_px = root, sigma_px

    def compare(self, pair: Reconstruction) -> Tensor:
        return root_smoothed(pair.original - pair.reconstruction, self.sigma_px).square().mean(dim=1, keepdim=True)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        score = super().image_score(pair, residual)
        return score.sqrt() if self.root else score


def root_smoothed(difference: Tensor, sigma_px: float) -> Tensor:
    """G^½d: (B, C, H, W) -> the same.

    The Gaussian is separable, so G is the Kronecker product of one metric matrix (H, H) and one (W, W), and so is its
    root: two small products instead of one with an (HW, HW) matrix.
    """
    height, width = difference.shape[-2:]
    rows, columns = (torch.as_tensor(_root(side, sigma_px)).to(difference) for side in (height, width))
    return rows @ difference @ columns


@lru_cache(maxsize=8)
def _root(side: int, sigma_px: float) -> np.ndarray:
    """The symmetric root of one axis' metric matrix, whose entries are those of eq. 6.13 in one dimension."""
    place = np.arange(side)
    metric = np.exp(-((place[:, None] - place) ** 2) / (2 * sigma_px**2)) / (math.sqrt(2 * math.pi) * sigma_px)
    values, vectors = np.linalg.eigh(metric)
    root: np.ndarray = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root.astype(np.float32)

"""Gradient magnitude similarity deviation: how unevenly the edges were rebuilt (S2 eqs 6.21–6.25)."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import Pooling, PoolingOption, Quantile, Score, TopFraction, enlarge

C = 170 / 255**2  # S2's 170 is for grey levels 0…255, ours are 0…1
SCALE_WEIGHTS = (0.096, 0.596, 0.289, 0.019)  # Zhang, Sun, Zhang: GMSD on multiple scales, ICASSP 2017


class Gmsd(Score):
    """The map is 1 − gradient magnitude similarity, averaged over channels; the image score is its deviation.

    With several scales, each half as large as the one before, the image score is √(Σ w·GMSD²), after Zhang et al.
    2017: w is 0.096, 0.596, 0.289, 0.019, or the first of these brought to a sum of 1. Their masking of flat places is
    left out: every scale is S2's GMSD. The map is the mean of the scales' maps with the same weights. Xue et al.
    2014, who published GMSD, halve images before all else; S2's equations do not, so that it is an option, `halved`.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels",)  # `C` names a grey level; features have none
    default_pooling: Pooling = "deviation"

    def __init__(
        self,
        space: Space,
        *,
        halved: Annotated[bool, Field(description="2 × 2 px are averaged first, as Xue et al. published it")] = False,
        n_scales: Annotated[int, Field(ge=1, le=4, description="resolutions to compare; 1: the image's own")] = 1,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        chosen = SCALE_WEIGHTS[:n_scales]
        self.halved = halved
        self.weights = [weight / sum(chosen) for weight in chosen]

    def compare(self, pair: Reconstruction) -> Tensor:
        """Raises RecipeError if the images are too small for the number of scales."""
        size = (pair.original.shape[-2], pair.original.shape[-1])
        maps = [weight * enlarge(one, size) for weight, one in zip(self.weights, self._scales(pair), strict=True)]
        return torch.stack(maps).sum(dim=0)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        if len(self.weights) == 1 and not self.halved:
            return super().image_score(pair, residual)
        deviations = [self.pooled(one, "deviation") for one in self._scales(pair)]
        squares = [weight * one.square() for weight, one in zip(self.weights, deviations, strict=True)]
        return _safe_sqrt(torch.stack(squares).sum(dim=0))

    def _scales(self, pair: Reconstruction) -> list[Tensor]:
        """The map (B, 1, h, w) of each scale, from fine to coarse."""
        a, b, n = pair.original, pair.reconstruction, len(self.weights)
        if (side := min(a.shape[-2:]) >> self.halved) < 2 ** (n - 1):
            raise RecipeError(f"score.n_scales = {n}: images of {side} px take at most {side.bit_length()}")
        maps = []
        for scale in range(n):
            if scale or self.halved:
                a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
            maps.append(_unlikeness(a, b))
        return maps


def gradient_magnitude(images: Tensor) -> Tensor:
    """Length of the gradient by Prewitt's filters divided by 3 (eqs 6.21, 6.22): (B, C, H, W) -> the same.

    The border is continued by its own values, so that it is no edge; the source does not say.
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    down = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    along = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    across, upright = down[..., :-2] - down[..., 2:], along[..., :-2, :] - along[..., 2:, :]
    return _safe_sqrt((across.square() + upright.square()) / 9)


def _unlikeness(a: Tensor, b: Tensor) -> Tensor:
    """1 − GMS (eq. 6.23), averaged over channels: (B, C, h, w) twice -> (B, 1, h, w) in [0, 1].

    Written as (m − m̂)² / (m² + m̂² + c), which is the same and exactly zero where the gradients are equal.
    """
    m, other = gradient_magnitude(a), gradient_magnitude(b)
    return ((m - other).square() / (m.square() + other.square() + C)).mean(dim=1, keepdim=True)


def _safe_sqrt(values: Tensor) -> Tensor:
    """√ with a finite slope at zero."""
    return torch.sqrt(values + 1e-12)

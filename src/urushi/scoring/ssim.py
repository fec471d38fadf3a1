"""Structural similarity: compares brightness, contrast and structure (METHODS §10; S2 §6.4.2)."""

from typing import Annotated, Literal

from kornia.metrics import ssim
from pydantic import Field
from torch import Tensor

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.scoring._moments import Window, moments
from urushi.scoring.base import PoolingOption, Quantile, Score, TopFraction

C1, C2 = 0.01**2, 0.03**2  # (K₁L)² and (K₂L)² of eqs 6.16 and 6.17, with a dynamic range L of 1


class Ssim(Score):
    """The map is 1 − local SSIM for values in [0, 1], averaged over channels.

    The image score is its mean, or with `extent = "global"` that of S2, whose one window is the whole image.
    """

    def __init__(
        self,
        space: Space,
        *,
        extent: Annotated[
            Literal["local", "global"],
            Field(description="the image score: mean of the map, or 1 − max(0, SSIM) of the whole image"),
        ] = "local",
        window_px: Window = 11,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.extent, self.window_px = extent, window_px

    def compare(self, pair: Reconstruction) -> Tensor:
        """Raises RecipeError where the window reaches over both borders, because kornia mirrors each only once."""
        if (side := min(pair.original.shape[-2:])) <= self.window_px // 2:
            raise RecipeError(f"score.window_px = {self.window_px}: images of {side} px take at most {2 * side - 1}")
        similarity: Tensor = ssim(pair.original, pair.reconstruction, self.window_px, eps=0.0)  # C₁C₂ is enough
        return 1 - similarity.mean(dim=1, keepdim=True)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        if self.extent == "local":
            return super().image_score(pair, residual)
        return 1 - global_ssim(pair).clamp(min=0)


def global_ssim(pair: Reconstruction) -> Tensor:
    """S2 eq. 6.19 for values in [0, 1], averaged over channels: (B, C, H, W) twice -> (B,) in [−1, 1]."""
    (mean_a, mean_b), (variance_a, variance_b), covariance = moments(pair)
    likeness = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    bound = (mean_a.square() + mean_b.square() + C1) * (variance_a + variance_b + C2)
    return (likeness / bound).mean(dim=1)

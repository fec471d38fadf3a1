"""Structural similarity: compares brightness, contrast and structure in small windows (METHODS §10; S2 §6.4.2)."""

from typing import Annotated

from kornia.metrics import ssim
from pydantic import Field
from torch import Tensor

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import PoolingOption, Score, TopFraction


class Ssim(Score):
    """The map is 1 − local SSIM for values in [0, 1], averaged over channels; the image score is its mean."""

    def __init__(
        self,
        space: Space,
        *,
        window_px: Annotated[int, Field(ge=3, le=31, description="side of the Gaussian window (σ = 1.5), odd")] = 11,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction)
        if window_px % 2 == 0:
            raise RecipeError(f"score.window_px = {window_px}: the window has a middle, so its side must be odd")
        self.window_px = window_px

    def compare(self, pair: Reconstruction) -> Tensor:
        similarity: Tensor = ssim(pair.original, pair.reconstruction, self.window_px)
        return 1 - similarity.mean(dim=1, keepdim=True)

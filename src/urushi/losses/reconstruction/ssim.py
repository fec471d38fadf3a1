"""Structural similarity as a loss (Bergmann et al. 2018, quoted in S4 §2)."""

from typing import Annotated

from kornia.metrics import ssim
from pydantic import Field
from torch import Tensor

from urushi.errors import RecipeError
from urushi.losses.reconstruction.base import ReconstructionLoss


class StructuralSimilarity(ReconstructionLoss):
    """1 − SSIM in a Gaussian window, averaged over channels."""

    def __init__(self, *, window_px: Annotated[int, Field(ge=3, le=31, description="side of the window, odd")] = 11):
        if window_px % 2 == 0:
            raise RecipeError(f"model.loss.window_px = {window_px}: the window has a middle, so its side must be odd")
        self.window_px = window_px

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        similarity: Tensor = ssim(rebuilt, images, self.window_px, eps=0.0)  # its constants are enough
        return 1 - similarity.mean(dim=1, keepdim=True)

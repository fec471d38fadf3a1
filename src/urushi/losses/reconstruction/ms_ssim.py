"""Structural similarity at several scales as a loss (Zhao et al. 2017: Gaussians of five widths at each pixel)."""

from kornia.losses import MS_SSIMLoss
from torch import Tensor

from urushi.losses.reconstruction.base import ReconstructionLoss


class MultiScaleStructuralSimilarity(ReconstructionLoss):
    """1 − MS-SSIM at each pixel, without the absolute error that Zhao et al. add to it."""

    def __init__(self) -> None:
        self.compare = MS_SSIMLoss(alpha=1.0, compensation=1.0, reduction="none")

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        found: Tensor = self.compare.to(rebuilt.device)(*(one.expand(-1, 3, -1, -1) for one in (rebuilt, images)))
        return found[:, None]

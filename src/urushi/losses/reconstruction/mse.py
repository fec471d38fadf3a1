"""Mean squared error (S2 eq. 6.1)."""

from torch import Tensor

from urushi.losses.reconstruction.base import ReconstructionLoss


class MeanSquaredError(ReconstructionLoss):
    """The square of the difference, averaged over channels."""

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return (rebuilt - images).square().mean(dim=1, keepdim=True)

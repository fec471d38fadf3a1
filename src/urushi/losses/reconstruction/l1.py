"""Mean absolute error: forgives single large differences more than the squared one does."""

from torch import Tensor

from urushi.losses.reconstruction.base import ReconstructionLoss


class MeanAbsoluteError(ReconstructionLoss):
    """The absolute difference, averaged over channels."""

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return (rebuilt - images).abs().mean(dim=1, keepdim=True)

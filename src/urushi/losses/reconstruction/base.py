"""What a reconstruction loss is: a residual at each place, averaged with weights."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Encoder = Callable[[Tensor], Tensor]


class ReconstructionLoss(ABC):
    """A loss whose options are the keyword-only arguments of its `__init__`."""

    @abstractmethod
    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        """(B, C, H, W) twice, in [0, 1] -> (B, 1, h, w), zero where both are alike."""

    def of_latents(self, rebuilt: Tensor, images: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        """What is compared behind the encoder, a scalar; most losses compare nothing there."""
        return rebuilt.new_zeros(())

    def __call__(self, rebuilt: Tensor, images: Tensor, weights: Tensor | None, encoder: Encoder) -> Tensor:
        """The scalar to be minimised; `weights` (B, 1, H, W) say how much each place counts."""
        residual = self.residual(rebuilt, images)
        if weights is None:
            return residual.mean() + self.of_latents(rebuilt, images, encoder)
        shares = F.adaptive_avg_pool2d(weights, (residual.shape[-2], residual.shape[-1]))
        return (residual * shares).sum() / shares.sum() + self.of_latents(rebuilt, images, encoder)

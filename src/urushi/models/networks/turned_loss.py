"""A reconstruction loss of images as they came, for a method that gets to see them turned (S4 §5)."""

from torch import Tensor

from urushi.losses.reconstruction.base import Encoder, ReconstructionLoss
from urushi.models.networks.rotation import Sampling, rotate


class TurnedLoss(ReconstructionLoss):
    """Another loss, of reconstructions that are turned back first, and of the places alone that count.

    So a method learns the same whether its images are turned or not. What is compared behind the encoder stays turned,
    as the encoder sees it.
    """

    def __init__(self, loss: ReconstructionLoss, sampling: Sampling) -> None:
        self.loss, self.sampling = loss, sampling

    def compare_with(self, images: Tensor, angles: Tensor | None, counted: Tensor) -> None:
        """The images (B, C, H, H) of the next step, the angles (B,) they were turned by, and where they count."""
        self.images, self.angles, self.counted = images, angles, counted

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:  # noqa: ARG002  those are turned
        return self.loss.residual(self._back(rebuilt), self.images)

    def of_latents(self, rebuilt: Tensor, images: Tensor, encoder: Encoder) -> Tensor:
        return self.loss.of_latents(rebuilt, images, encoder)

    def __call__(self, rebuilt: Tensor, images: Tensor, weights: Tensor | None, encoder: Encoder) -> Tensor:
        counted = self.counted.expand(len(rebuilt), -1, -1, -1)
        return super().__call__(rebuilt, images, counted if weights is None else counted * self._back(weights), encoder)

    def _back(self, turned: Tensor) -> Tensor:
        return turned if self.angles is None else rotate(turned, -self.angles, self.sampling)

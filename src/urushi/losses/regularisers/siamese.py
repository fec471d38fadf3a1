"""Codes of normal images that point the same way (S4 §3: Alaverdyan et al. 2020)."""

from torch import Tensor
from torch.nn import functional as F

from urushi.losses.regularisers.base import Encoder, Regulariser, Weight


class Siamese(Regulariser):
    """1 − the cosine of the codes of two images, each image paired with the next one of its batch."""

    def __init__(self, *, weight: Weight = 1e-2) -> None:
        super().__init__(weight)

    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        return (1 - F.cosine_similarity(z, z.roll(1, dims=0), dim=1, eps=1e-6)).mean()

"""Codes that hardly move when the image does (S4 §2: the Frobenius norm of ∂z/∂x)."""

import torch
from torch import Tensor

from urushi.losses.regularisers.base import Encoder, Regulariser, Weight


class Contractive(Regulariser):
    """‖∂z/∂x‖²_F, averaged over images.

    Estimated without bias from one random direction v ~ N(0, I) per image, as E‖vᵀ ∂z/∂x‖²: one step backwards instead
    of one per latent dimension.
    """

    def __init__(self, *, weight: Weight = 1e-3) -> None:
        super().__init__(weight)

    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        with torch.enable_grad():
            images = inputs.detach().requires_grad_()
            code = encoder(images)
            (slope,) = torch.autograd.grad((code * torch.randn_like(code)).sum(), images, create_graph=True)
        return slope.square().flatten(1).sum(dim=1).mean()

"""Sparse codes by their mean activation (S4 §2; S3)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.losses.regularisers.base import Encoder, Regulariser, Weight


class SparseKl(Regulariser):
    """Σ_j KL(ρ ‖ ρ̂_j) of Bernoulli distributions, where ρ̂_j is the mean over the batch of the logistic of z_j."""

    def __init__(
        self,
        *,
        weight: Weight = 1e-2,
        sparsity: Annotated[float, Field(gt=0, lt=1, description="ρ, how active each unit shall be on average")] = 0.05,
    ) -> None:
        super().__init__(weight)
        self.sparsity = sparsity

    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        active = torch.sigmoid(z).mean(dim=0).clamp(1e-6, 1 - 1e-6)
        wanted = torch.full_like(active, self.sparsity)
        divergence = wanted * (wanted / active).log() + (1 - wanted) * ((1 - wanted) / (1 - active)).log()
        return divergence.sum()

"""Codes distributed like the prior, by Rényi's quadratic entropy (S4 §2; Santana et al. 2016)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.losses.regularisers.base import Encoder, Regulariser, Weight


class InformationTheoretic(Regulariser):
    """The Cauchy–Schwarz divergence of the codes from N(0, I), per latent dimension.

    −2 log ∫p q + log ∫p² + log ∫q², where p is the batch's density by Gaussian kernels of width σ, q the prior, and
    −log ∫p² is Rényi's quadratic entropy of the codes. Every integral of two Gaussians is a Gaussian in closed form.
    Kernels widen what they describe: at best the codes themselves have a variance of 1 − σ².
    """

    def __init__(
        self,
        *,
        weight: Weight = 1e-2,
        kernel_width: Annotated[float, Field(gt=0, description="σ of the kernels")] = 0.5,
    ) -> None:
        super().__init__(weight)
        self.kernel_width = kernel_width

    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        n, j = z.shape
        variance = self.kernel_width**2
        distances = (z[:, None] - z[None]).square().sum(dim=2)
        entropy_term = _log_gaussian(distances, 2 * variance, j).flatten().logsumexp(dim=0) - 2 * math.log(n)
        cross_term = _log_gaussian(z.square().sum(dim=1), 1 + variance, j).logsumexp(dim=0) - math.log(n)
        prior_term = _log_gaussian(torch.zeros((), device=z.device), 2.0, j)
        return (entropy_term - 2 * cross_term + prior_term) / j


def _log_gaussian(square: Tensor, variance: float, dimension: int) -> Tensor:
    return -0.5 * (square / variance + dimension * math.log(2 * math.pi * variance))

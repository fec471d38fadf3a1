"""The contests of generator and discriminator (S3, GAN training; S1 §2.2.1), from the discriminator's raw outputs."""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

Contest = Literal["minimax", "non_saturating", "least_squares", "wasserstein_clipping", "wasserstein_penalty"]
ContestOption = Annotated[Contest, Field(description="what generator and discriminator play for")]
CLIP = 0.01
_PENALTY = 10.0  # λ of Gulrajani et al.


def is_wasserstein(contest: Contest) -> bool:
    """Whether the discriminator is a critic without probabilities."""
    return contest.startswith("wasserstein")


def discriminator_loss(contest: Contest, real: Tensor, made: Tensor) -> Tensor:
    """What a discriminator loses by its outputs on real and on made images, any shape; a scalar.

    Cross-entropy in the first two, (D − 1)² and D² in `least_squares`, made − real for the critics of Wasserstein.
    """
    if contest == "least_squares":
        return 0.5 * ((real - 1).square().mean() + made.square().mean())
    if is_wasserstein(contest):
        return made.mean() - real.mean()
    return F.softplus(-real).mean() + F.softplus(made).mean()


def generator_loss(contest: Contest, made: Tensor) -> Tensor:
    """What a generator loses by the discriminator's outputs on what it made, any shape; a scalar.

    `minimax` is ln(1 − D), which is flat where the discriminator is sure; `non_saturating` is −ln D, which is not.
    """
    if contest == "minimax":
        return -F.softplus(made).mean()
    if contest == "least_squares":
        return 0.5 * (made - 1).square().mean()
    return -made.mean() if is_wasserstein(contest) else F.softplus(-made).mean()


def critique(contest: Contest, output: Tensor) -> Tensor:
    """How little an image is taken for real: 1 − D as a probability, (D − 1)², or minus the critic's value."""
    if contest == "least_squares":
        return (output - 1).square()
    return -output if is_wasserstein(contest) else torch.sigmoid(-output)


def accuracy(contest: Contest, real: Tensor, made: Tensor) -> Tensor:
    """The share of outputs on the right side; of critics, on the right side of the middle between both means."""
    if is_wasserstein(contest):
        limit = (real.mean() + made.mean()) / 2
    else:
        limit = torch.full_like(real.mean(), 0.5 if contest == "least_squares" else 0.0)
    return ((real > limit).float().mean() + (made <= limit).float().mean()) / 2


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """λ(‖∇D‖ − 1)² at random points between real and made images (Gulrajani et al. 2017), a scalar."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = torch.lerp(real.detach(), made.detach(), share).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = _PENALTY * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def real_gradient_penalty(critic: Callable[..., Tensor], *real: Tensor) -> Tensor:
    """‖∇D‖² at real images, or pairs of image and code, the mean over them (R1: Mescheder et al. 2018), a scalar."""
    seen = [one.detach().requires_grad_(True) for one in real]
    gradients = torch.autograd.grad(critic(*seen).sum(), seen, create_graph=True)
    return torch.stack([gradient.flatten(1).square().sum(dim=1).mean() for gradient in gradients]).sum()


@torch.no_grad()
def clip_weights(network: nn.Module) -> None:
    """Every weight into [−0.01, 0.01] (Arjovsky et al. 2017)."""
    for weight in network.parameters():
        weight.clamp_(-CLIP, CLIP)

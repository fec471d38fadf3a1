"""What the contests lose by, and what gradient a strong discriminator leaves a generator (S3; S1 §2.2.1)."""

from typing import get_args

import pytest
import torch
from torch import nn

from urushi.losses import adversarial
from urushi.losses.adversarial import Contest, generator_loss
from urushi.models.gan import Gan


def gradient_of_generator(model: Gan, contest: Contest, noise: torch.Tensor) -> float:
    loss = generator_loss(contest, model.discriminate(model.generator(noise)))
    gradients = torch.autograd.grad(loss, [*model.generator.parameters()])
    return torch.stack([gradient.norm() for gradient in gradients]).norm().item()


@pytest.mark.thorough
def test_a_strong_discriminator_starves_a_minimax_generator_and_not_a_non_saturating_one(pictures):
    torch.manual_seed(0)
    images, model = torch.from_numpy(pictures(64, 32, 1, 0)), Gan((1, 32, 32), width=8)
    critic = torch.optim.Adam([*model.features.parameters(), *model.head.parameters()], lr=1e-3)
    for _ in range(60):  # the generator stands still: its early steps
        made = model.generator(torch.randn(32, 32)).detach()
        loss = adversarial.discriminator_loss("minimax", model.discriminate(images[:32]), model.discriminate(made))
        critic.zero_grad()
        loss.backward()
        critic.step()
    noise = torch.randn(32, 32)
    sureness = torch.sigmoid(model.discriminate(model.generator(noise))).mean()
    minimax, other = (gradient_of_generator(model, contest, noise) for contest in ("minimax", "non_saturating"))
    assert sureness < 0.1  # it is strong
    assert other > 5 * minimax


@pytest.mark.parametrize("contest", get_args(Contest))
def test_the_discriminator_wins_by_what_loses_the_generator(contest):
    right, wrong = torch.full((8, 1), 0.9), torch.full((8, 1), -0.9)
    assert adversarial.discriminator_loss(contest, right, wrong) < adversarial.discriminator_loss(contest, wrong, right)
    assert generator_loss(contest, right) < generator_loss(contest, wrong)
    assert (adversarial.critique(contest, wrong) > adversarial.critique(contest, right)).all()
    assert adversarial.accuracy(contest, right, wrong) == 1
    assert adversarial.accuracy(contest, wrong, right) == 0


def test_losses_by_hand():
    one, zero = torch.ones(1), torch.zeros(1)
    assert adversarial.discriminator_loss("non_saturating", zero, zero).item() == pytest.approx(2 * 0.6931472)
    assert generator_loss("minimax", zero).item() == pytest.approx(-0.6931472)
    assert adversarial.discriminator_loss("least_squares", zero, one).item() == 1
    assert adversarial.discriminator_loss("wasserstein_penalty", 3 * one, one).item() == -2


def test_the_gradient_penalty_is_zero_for_slope_one_and_ten_for_none():
    real, made = torch.rand(6, 1, 4, 4), torch.rand(6, 1, 4, 4)
    assert adversarial.gradient_penalty(lambda x: x.flatten(1).sum(1) / 4, real, made).item() == pytest.approx(
        0, abs=1e-5
    )
    assert adversarial.gradient_penalty(lambda x: 0 * x.flatten(1).sum(1), real, made).item() == pytest.approx(10)


def test_clipped_weights_are_small():
    network = nn.Linear(8, 8)
    adversarial.clip_weights(network)
    assert max(weight.abs().max() for weight in network.parameters()) <= adversarial.CLIP


def test_the_gradient_penalty_takes_double_precision():
    real, made = torch.rand(6, 1, 4, 4, dtype=torch.float64), torch.rand(6, 1, 4, 4, dtype=torch.float64)
    penalty = adversarial.gradient_penalty(lambda x: x.flatten(1).sum(1) / 4, real, made)
    assert penalty.dtype == torch.float64
    assert penalty.item() == pytest.approx(0, abs=1e-12)

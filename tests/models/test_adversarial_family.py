"""Adversarial methods by their effect: cycles close, collapse is noticed, erased attributes come back."""

import pytest
import torch

from urushi.errors import RecipeError
from urushi.models.attribute_restoration import AttributeRestoration
from urushi.models.base import Reconstructor
from urushi.models.bigan import Bigan
from urushi.models.convolutional_bigan import ConvolutionalBigan
from urushi.models.gan import Gan
from urushi.models.ganomaly import Ganomaly
from urushi.models.networks.collapse import concern_of, contest_measurements


def learn(model: Reconstructor, images: torch.Tensor, n_steps: int) -> None:
    optimizers = model.optimizers()
    model.train()
    for _ in range(n_steps):
        for name, loss in model.losses(images[torch.randint(len(images), (16,))]):
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    model.eval()


def cycles(model: Bigan | ConvolutionalBigan, images: torch.Tensor, z: torch.Tensor) -> tuple[float, float]:
    """Mean squared errors of E(G(z)) and of G(E(x))."""
    with torch.no_grad():
        codes, rebuilt = model.latents(model.generate(z)), model.generate(model.latents(images))
    return (codes - z).square().mean().item(), (rebuilt - images).square().mean().item()


@pytest.mark.parametrize("method", [Gan, Bigan])
def test_samples_in_evaluation_spread_as_samples_in_training(pictures, method):
    """Averaged weights with the batch statistics of the networks that they are averages of make others."""
    torch.manual_seed(0)
    model = method((1, 32, 32), width=8, averaging=0.9, latent_dimension=4, learning_rate=5e-3)
    learn(model, torch.from_numpy(pictures(64, 32, 1, 0)), 12)
    model.settle()
    z = torch.randn(256, 4)
    with torch.no_grad():
        used = model.generate(z)
        average = model.average if method is Gan else model.averages["generator"]
        in_training = average.train()(z)
    assert used.std(dim=0).mean().item() == pytest.approx(in_training.std(dim=0).mean().item(), rel=0.1)
    assert used.mean().item() == pytest.approx(in_training.mean().item(), rel=0.02)


@pytest.mark.slow
def test_encoder_and_generator_undo_each_other_better_after_training(pictures):
    """These images have two degrees of freedom; of a larger code, no encoder could find all."""
    torch.manual_seed(0)
    images, z = torch.from_numpy(pictures(64, 32, 1, 0)), torch.randn(16, 2)
    model = Bigan((1, 32, 32), width=8, averaging=0.9, latent_dimension=2).eval()
    before = cycles(model, images, z)
    learn(model, images[:32], 100)
    after = cycles(model, images, z)
    assert after[0] < 0.3 * before[0]  # E(G(z)) ≈ z
    assert after[1] < 0.7 * before[1]  # G(E(x)) ≈ x


@pytest.mark.slow
def test_the_convolutional_one_rebuilds_better_after_training(pictures):
    torch.manual_seed(0)
    images, z = torch.from_numpy(pictures(64, 32, 1, 0)), torch.randn(16, 32, 4, 4)
    model = ConvolutionalBigan((1, 32, 32), width=8, averaging=0.9).eval()
    before = cycles(model, images, z)
    learn(model, images, 160)
    assert cycles(model, images, z)[1] < 0.8 * before[1]


def test_the_monitor_puts_collapse_and_a_victorious_discriminator_into_words():
    images = torch.rand(16, 1, 32, 32)
    same = images[:1].expand_as(images) + 0.01 * torch.rand_like(images)
    assert "mode collapse" in (concern_of(measured(images, same, 0.7)) or "")
    assert "tells every sample" in (concern_of(measured(images, images.flip(0), 1.0)) or "")
    assert concern_of(measured(images, images.flip(0), 0.7)) is None


def measured(images: torch.Tensor, made: torch.Tensor, accuracy: float) -> dict[str, float]:
    return {name: value.item() for name, value in contest_measurements(images, made, torch.tensor(accuracy)).items()}


def test_feature_matching_weighs_on_the_generator_alone(pictures):
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    found = {}
    for weight in (0.0, 100.0):
        torch.manual_seed(0)
        model = Gan((1, 32, 32), width=4, feature_matching=weight)
        found[weight] = {name: loss.item() for name, loss in model.losses(images)}
    assert found[0.0]["discriminator"] == found[100.0]["discriminator"]
    assert found[0.0]["generator"] < found[100.0]["generator"]


def test_the_discriminator_steps_as_often_as_told(pictures):
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    names = [name for name, _ in Gan((1, 32, 32), width=4, critic_steps=3).losses(images)]
    assert names == ["discriminator"] * 3 + ["generator"]


def test_minibatch_discrimination_sees_that_images_of_a_batch_are_alike(pictures):
    torch.manual_seed(0)
    model = Gan((1, 32, 32), width=4, minibatch_discrimination=True)
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    alone, among = model.discriminate(images)[0], model.discriminate(images[:1].expand(8, -1, -1, -1))[0]
    assert not torch.allclose(alone, among, atol=1e-4)


@pytest.mark.thorough
def test_inversion_comes_nearer_with_more_steps(pictures):
    torch.manual_seed(0)
    images, errors = torch.from_numpy(pictures(8, 32, 1, 0)), []
    model = Gan((1, 32, 32), width=8, averaging=0.9)
    learn(model, images, 40)
    for steps in (1, 100):
        model.inversion_steps = steps
        errors.append((model.reconstruct(images).reconstruction - images).square().mean().item())
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.thorough
def test_ganomaly_finds_codes_of_what_it_never_saw_far_apart(pictures):
    torch.manual_seed(0)
    images, model = torch.from_numpy(pictures(64, 32, 1, 0)), Ganomaly((1, 32, 32), width=8)
    learn(model, images, 30)
    strange = images[:16].flip(2).transpose(2, 3)
    with torch.no_grad():
        known, other = (model.reconstruct(x).perceived for x in (images[:16], strange))
    assert known is not None
    assert other is not None
    assert other.median() > known.median()


@pytest.mark.thorough
def test_colour_comes_back_from_grey(pictures):
    torch.manual_seed(0)
    grey = torch.from_numpy(pictures(48, 32, 1, 0))
    images = torch.cat([grey, 0.5 * grey, 0.2 * grey], dim=1)
    model = AttributeRestoration((3, 32, 32), erased="colour", architecture="mlp", learning_rate=3e-3)
    learn(model, images, 60)
    with torch.no_grad():
        red, green, blue = model.reconstruct(images).reconstruction.mean(dim=(0, 2, 3))
    assert red > 1.5 * green > 2 * blue
    assert model.turns == (0,)


def test_grey_images_have_no_colour_to_erase():
    with pytest.raises(RecipeError, match="no colour to erase"):
        AttributeRestoration((1, 32, 32), erased="both")


def test_both_attributes_are_erased_at_once():
    images = torch.rand(2, 3, 32, 32)
    turned = AttributeRestoration((3, 32, 32), erased="orientation", architecture="mlp")._erased(images, 1)
    both = AttributeRestoration((3, 32, 32), erased="both", architecture="mlp")._erased(images, 1)
    assert torch.equal(turned, images.rot90(1, (2, 3)))
    assert torch.allclose(both, turned.mean(dim=1, keepdim=True).expand_as(turned))

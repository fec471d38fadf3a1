from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence

from urushi.data.loader import Rows
from urushi.losses.parts import build_loss
from urushi.models.variational_autoencoder import VariationalAutoencoder
from urushi.models.variational_autoencoder import kl_divergence as closed_form
from urushi.recipe import Part, Training
from urushi.training import train

SHAPE = (1, 32, 32)


MeanOverPixels = partial(VariationalAutoencoder, reduction="mean")  # as S2 eq. 6.2 is written
Trained = tuple[VariationalAutoencoder, Tensor]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[Callable[..., VariationalAutoencoder]], Trained]:
    def trained(cls: Callable[..., VariationalAutoencoder]) -> Trained:
        images = structured(32)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = cls(SHAPE, latent_dimension=8, learning_rate=3e-3)
        rows, settings = np.arange(32), Training(max_epochs=3, batch_size=8, accelerator="cpu")
        parts = Rows(images, np.tile(rows, 12)), Rows(images, rows)
        train(model, *parts, settings, seed=0, folder=tmp_path_factory.mktemp("run"))
        return model, torch.from_numpy(images)

    return trained


def structured(n: int) -> np.ndarray:
    """(n, 1, 32, 32) in [0, 1]: two strong factors, brightness and phase, and little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] * (2 * np.pi / 32)
    phase, light = rng.uniform(-1.5, 1.5, (n, 1, 1, 1)), rng.uniform(0.3, 0.7, (n, 1, 1, 1))
    pattern = light + 0.25 * np.sin(2 * x + phase) * np.cos(y)
    return (pattern + rng.normal(0, 0.02, (n, 1, 32, 32))).clip(0, 1).astype(np.float32)


@pytest.mark.thorough
def test_posterior_does_not_collapse(trained):
    model, images = trained(VariationalAutoencoder)
    with torch.no_grad():
        error = (model.reconstruct(images).reconstruction - images).square().mean()
        divergence = model.divergence(images).mean()
    assert divergence > 2  # nats per image
    assert error < 0.5 * (images - images.mean(dim=0)).square().mean()  # half that of the mean image


@pytest.mark.slow
def test_posterior_collapses_if_the_pixel_term_is_divided_by_the_number_of_pixels(trained):
    model, images = trained(MeanOverPixels)
    with torch.no_grad():
        restored = model.reconstruct(images).reconstruction
        divergence = model.divergence(images).mean()
    assert divergence < 0.01
    assert (restored - images).square().mean() > 0.95 * (images - images.mean(dim=0)).square().mean()


def test_loss_is_squared_error_summed_over_pixels_plus_divergence():
    model = VariationalAutoencoder(SHAPE, beta=3.0)
    images = torch.rand(4, *SHAPE)
    torch.manual_seed(1)
    ((_, loss),) = model.losses(images)
    torch.manual_seed(1)
    mean, deviation = posterior(model, images)
    restored = model.decoder(mean + deviation * torch.randn_like(mean))
    divergence = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(loss, ((restored - images).square().sum(dim=(1, 2, 3)) + 3 * divergence).mean())
    torch.testing.assert_close(model.divergence(images), divergence)


@pytest.mark.parametrize("name", ["mse", "ssim"])
def test_the_reconstruction_term_is_any_loss_as_a_sum_or_a_mean_over_pixels(name):
    images, losses = torch.rand(4, *SHAPE), {}
    for reduction in ("sum", "mean"):
        torch.manual_seed(2)
        model = VariationalAutoencoder(SHAPE, loss=Part(name=name), reduction=reduction, beta=0.0)
        torch.manual_seed(1)
        ((_, losses[reduction]),) = model.losses(images)
    torch.manual_seed(1)
    mean, deviation = posterior(model, images)
    restored = model.decoder(mean + deviation * torch.randn_like(mean))
    expected = build_loss(Part(name=name)).residual(restored, images).mean()
    torch.testing.assert_close(losses["mean"], expected)
    torch.testing.assert_close(losses["sum"], expected * 32 * 32)


@pytest.mark.thorough
def test_latents_that_training_draws_have_the_mean_and_deviation_of_the_posterior():
    model = VariationalAutoencoder(SHAPE, latent_dimension=4)
    with torch.no_grad():
        model.log_variance.bias.copy_(torch.tensor([-4.0, -2.0, 0.0, 1.0]))
    image = torch.rand(1, *SHAPE)
    drawn: list[Tensor] = []
    model.decoder[0].register_forward_pre_hook(lambda _, arguments: drawn.append(arguments[0]))
    torch.manual_seed(0)
    next(model.losses(image.expand(1000, -1, -1, -1)))
    (z,) = drawn
    mean, deviation = posterior(model, image)
    standardised = (z - mean) / deviation  # its mean and deviation are known to 1/√1000 = 0.032
    assert standardised.mean(dim=0).abs().max() < 0.1
    assert (standardised.std(dim=0) - 1).abs().max() < 0.08
    assert torch.corrcoef(standardised.T).fill_diagonal_(0).abs().max() < 0.1


def test_inspection_uses_the_mean_and_draws_nothing():
    model = VariationalAutoencoder(SHAPE).eval()
    images = torch.rand(2, *SHAPE)
    before = torch.get_rng_state()
    restored = model.reconstruct(images).reconstruction
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(restored, model.decoder(posterior(model, images)[0]))


def test_samples_are_images_and_differ():
    model = VariationalAutoencoder((3, 32, 32))
    with torch.no_grad():
        samples = model.sample(5, 32, 32)
    assert samples.shape == (5, 3, 32, 32)
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert samples.std(dim=0).max() > 0


def test_the_divergence_agrees_with_torch_distributions():
    torch.manual_seed(0)
    mean, log_variance = 3 * torch.randn(5, 7), 2 * torch.randn(5, 7)
    q, p = Normal(mean, torch.exp(0.5 * log_variance)), Normal(torch.zeros(7), torch.ones(7))
    torch.testing.assert_close(closed_form(mean, log_variance), kl_divergence(q, p).sum(dim=1))


def test_is_zero_for_the_prior_itself():
    assert closed_form(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0, 0]


@pytest.mark.parametrize(("mean", "log_variance"), [(0.1, 0.0), (0.0, 0.1), (0.0, -0.1)])
def test_is_positive_for_anything_else(mean, log_variance):
    assert closed_form(torch.tensor([[mean]]), torch.tensor([[log_variance]])) > 0


def test_adds_up_over_dimensions_and_not_over_images():
    assert closed_form(torch.ones(2, 3), torch.zeros(2, 3)).tolist() == [1.5, 1.5]


def posterior(model: VariationalAutoencoder, images: Tensor) -> tuple[Tensor, Tensor]:
    hidden = model.encoder(images)
    return model.mean(hidden), torch.exp(0.5 * model.log_variance(hidden))

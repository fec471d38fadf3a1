"""Losses, regularisers and corruptions: each by its formula, and each with the effect that it is there for."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from urushi import catalogue
from urushi.errors import RecipeError
from urushi.losses.parts import build_corruption, build_loss, build_regulariser
from urushi.models.autoencoder import Autoencoder
from urushi.recipe import Part

LOSSES = catalogue.names("urushi.losses.reconstruction")
REGULARISERS = catalogue.names("urushi.losses.regularisers")
CORRUPTIONS = catalogue.names("urushi.losses.corruptions")


def images(n: int = 4, channels: int = 1, px: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, channels, px, px, generator=torch.Generator().manual_seed(seed))


def loss_of(name: str, rebuilt: torch.Tensor, target: torch.Tensor, weights=None, **options: object) -> torch.Tensor:
    return build_loss(Part(name=name, **options))(rebuilt, target, weights, lambda x: x.flatten(1)[:, :5])


# Losses


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_zero_for_the_image_itself_grows_with_the_difference_and_has_a_slope(name):
    for channels in [1, 3]:
        target, other = images(2, channels), images(2, channels, seed=1)
        little, much = (target + strength * (other - 0.5) for strength in (0.1, 0.5))
        assert abs(loss_of(name, target, target).item()) < 1e-5, channels
        assert 1e-5 < loss_of(name, little, target) < loss_of(name, much, target), channels
        rebuilt = much.clone().requires_grad_()
        loss_of(name, rebuilt, target).backward()
        assert torch.isfinite(rebuilt.grad).all(), channels
        assert rebuilt.grad.abs().max() > 0, channels


def test_pixel_losses_are_what_torch_says():
    one, other = images(), images(seed=1)
    assert loss_of("mse", one, other) == pytest.approx(F.mse_loss(one, other).item())
    assert loss_of("l1", one, other) == pytest.approx(F.l1_loss(one, other).item())


def test_ms_ssim_of_grey_images_is_the_product_over_five_widths():
    """Zhao et al. 2017, eq. 8: luminance at the widest Gaussian, contrast and structure at all of them."""
    one, other = images(1, px=48), (images(1, px=48) + 0.5 * images(1, px=48, seed=1)).clamp(0, 1)
    a, b = (image[0, 0].numpy().astype(np.float64) for image in (one, other))
    similarity = np.ones_like(a)
    for sigma in (0.5, 1, 2, 4, 8):
        mean_a, mean_b, aa, bb, ab = (blurred(x, sigma) for x in (a, b, a * a, b * b, a * b))
        cs = (2 * (ab - mean_a * mean_b) + 0.03**2) / (aa - mean_a**2 + bb - mean_b**2 + 0.03**2)
        similarity *= cs
    similarity *= (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    assert loss_of("ms_ssim", one, other).item() == pytest.approx(1 - similarity.mean(), abs=1e-3)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(image, sigma, mode="constant", radius=16)


def test_ssim_of_two_black_images_is_one():
    black = torch.zeros(1, 1, 32, 32)
    assert loss_of("ssim", black, black).item() == 0


def test_ssim_is_what_scikit_image_says_away_from_the_border():
    one, other = images(1), (images(1) + 0.2 * images(1, seed=1)).clamp(0, 1)
    residual = build_loss(Part(name="ssim")).residual(one, other)[0, 0].numpy()
    pair = (one[0, 0].numpy().astype(np.float64), other[0, 0].numpy().astype(np.float64))
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    _, similarity = structural_similarity(*pair, **how)
    assert np.allclose(residual[8:-8, 8:-8], 1 - similarity[8:-8, 8:-8], atol=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_only_places_with_weight_count(name):
    target, weights = images(1, px=64), torch.zeros(1, 1, 64, 64)
    weights[..., 32:] = 1
    elsewhere, there = target.clone(), target.clone()
    elsewhere[..., :8] = 1 - elsewhere[..., :8]
    there[..., 56:] = 1 - there[..., 56:]
    assert loss_of(name, elsewhere, target, weights) < 0.2 * loss_of(name, there, target, weights)


def test_feature_matching_adds_both_terms_of_s4_equation_3():
    one, other = images(), images(seed=1)
    pixels = F.mse_loss(one, other).item()
    features = loss_of("perceptual", one, other)
    alone = loss_of("feature_matching", one, other, image_weight=2.0, feature_weight=0.0)
    both = loss_of("feature_matching", one, other, image_weight=2.0, feature_weight=0.5)
    assert alone == pytest.approx(2 * pixels, rel=1e-5)
    assert both == pytest.approx(2 * pixels + 0.5 * features.item(), rel=0.05)  # enlarged features average a little off
    trained = loss_of("feature_matching", one, other, image_weight=0.0, feature_weight=0.5, features="encoder")
    codes = [x.flatten(1)[:, :5] for x in (one, other)]
    assert trained == pytest.approx(0.5 * F.mse_loss(*codes).item(), rel=1e-5)


# Regularisers


def penalty(name: str, z: torch.Tensor, **options: object) -> float:
    return float(build_regulariser(Part(name=name, weight=1.0, **options))(z, images(len(z)), lambda x: x.flatten(1)))


def test_sparse_penalties_are_their_formulas():
    z = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    assert penalty("sparse_l1", z) == pytest.approx(1.5)
    active = torch.sigmoid(z).mean(dim=0).numpy()
    expected = sum(0.2 * math.log(0.2 / a) + 0.8 * math.log(0.8 / (1 - a)) for a in active)
    assert penalty("sparse_kl", z, sparsity=0.2) == pytest.approx(expected, rel=1e-5)


def test_contractive_estimates_the_norm_of_the_jacobian():
    matrix = torch.randn(5, 32 * 32, generator=torch.Generator().manual_seed(0))
    found = build_regulariser(Part(name="contractive", weight=1.0))
    torch.manual_seed(0)
    with torch.no_grad():  # as in validation
        drawn = [found(torch.zeros(50, 5), images(50), lambda x: x.flatten(1) @ matrix.T).item() for _ in range(20)]
    assert np.mean(drawn) == pytest.approx(matrix.square().sum().item(), rel=0.1)


def test_information_theoretic_is_least_for_the_prior():
    generator = torch.Generator().manual_seed(0)
    prior = torch.randn(400, 2, generator=generator)
    at_prior = penalty("information_theoretic", prior, kernel_width=0.3)
    for other in (prior + 2, 3 * prior, 0.1 * prior, torch.zeros(400, 2)):
        assert penalty("information_theoretic", other, kernel_width=0.3) > at_prior + 0.05
    assert 0 <= at_prior < 0.05


def test_siamese_is_one_minus_the_cosine():
    assert penalty("siamese", torch.tensor([[1.0, 0.0], [0.0, 2.0]])) == pytest.approx(1, abs=1e-6)
    assert penalty("siamese", torch.tensor([[1.0, 1.0], [2.0, 2.0]])) == pytest.approx(0, abs=1e-6)


def measured(name: str, model: Autoencoder, inputs: torch.Tensor) -> float:
    """What the regulariser is there to lower, by other means than its own formula."""
    z = model.latents(inputs).detach()
    if name == "sparse_l1":
        return float(z.abs().mean())
    if name == "sparse_kl":
        return float((torch.sigmoid(z).mean(dim=0) - 0.05).abs().mean())
    if name == "contractive":
        (jacobian,) = torch.autograd.functional.jacobian(lambda x: model.latents(x).sum(dim=0), (inputs,))
        return float(jacobian.square().sum())
    if name == "information_theoretic":
        return float((z.mean(dim=0).square() + (z.var(dim=0) - 0.75).square()).mean())  # 1 − σ²
    unit = F.normalize(z, dim=1)
    return float(1 - (unit @ unit.T).mean())


@pytest.mark.parametrize("name", REGULARISERS)
def test_a_regulariser_does_what_it_says_against_the_same_network_without_it(name):
    inputs = images(8, px=16)
    found = []
    for regulariser in (None, Part(name=name, weight=1.0)):
        torch.manual_seed(0)
        model = Autoencoder((1, 16, 16), architecture="mlp", latent_dimension=4, regulariser=regulariser)
        (optimizer,) = model.optimizers().values()
        for _ in range(25):
            for _, loss in model.losses(inputs):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        found.append(measured(name, model, inputs))
    without, with_it = found
    assert with_it < 0.2 * without


# Corruptions


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_spoils_what_it_says_and_leaves_the_rest(name):
    torch.manual_seed(0)
    clean = images(channels=3).clamp(0.2, 0.8)
    spoilt, where = build_corruption(Part(name=name)).corrupt(clean)
    everywhere = where.expand_as(clean)
    assert spoilt.shape == clean.shape
    assert spoilt.min() >= 0
    assert spoilt.max() <= 1
    assert torch.equal(spoilt[~everywhere], clean[~everywhere])
    assert (spoilt[everywhere] != clean[everywhere]).float().mean() > 0.99


def test_noise_has_its_deviation_and_salt_and_pepper_their_shares():
    torch.manual_seed(0)
    grey = torch.full((8, 1, 64, 64), 0.5)
    noisy, _ = build_corruption(Part(name="gaussian", deviation=0.05)).corrupt(grey)
    assert (noisy - grey).std() == pytest.approx(0.05, rel=0.02)
    spoilt, where = build_corruption(Part(name="salt_pepper", share=0.2)).corrupt(grey)
    assert where.float().mean() == pytest.approx(0.2, rel=0.05)
    assert spoilt[where].mean() == pytest.approx(0.5, abs=0.03)
    assert set(spoilt[where].unique().tolist()) == {0.0, 1.0}


def test_blocks_have_their_size_and_fill_and_lie_anywhere():
    torch.manual_seed(0)
    spoilt, where = build_corruption(Part(name="blocks", n_blocks=1, size=0.25, fill=0.3)).corrupt(images(200))
    assert where.sum(dim=(1, 2, 3)).eq(64).all()
    assert torch.allclose(spoilt[where], torch.tensor(0.3))
    _, often = build_corruption(Part(name="blocks", n_blocks=100, size=0.25)).corrupt(images(100))
    assert often.any(dim=0).all()


def test_corrupted_places_count_as_much_as_they_are_told_to():
    torch.manual_seed(0)
    found = build_corruption(Part(name="blocks", corrupted_weight=3.0))
    torch.manual_seed(1)
    _, weights = found(images())
    torch.manual_seed(1)
    _, where = found.corrupt(images())
    assert torch.equal(weights, torch.where(where, 3.0, 1.0))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("loss", "mes", r"reconstruction has no 'mes'; did you mean 'mse'"),
        ("loss", {"name": "ssim", "window_px": 4}, "window_px = 4"),
        ("loss", {"name": "mse", "weight": 1}, r"model\.loss\.weight is unknown"),
        ("regulariser", "sparse", "regularisers has no 'sparse'"),
        ("corruption", {"name": "blocks", "n_blocks": 0}, r"model\.corruption\.n_blocks"),
    ],
)
def test_a_wrong_part_is_refused_by_its_name(option, value, message):
    from urushi.catalogue import options

    with pytest.raises(RecipeError, match=message):
        options.build(Autoencoder, {option: value}, "model", (1, 32, 32))

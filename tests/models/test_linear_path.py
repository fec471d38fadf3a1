"""Principal components of pixels beside the networks of a method: what it starts from, and that all of it is kept."""

import numpy as np
import pytest
import torch
from tests.models.test_contract import as_arrays

from urushi import Detector, Recipe
from urushi.models._building import build_model
from urushi.models.networks.linear_path import LinearPath, NoPath, path_beside
from urushi.models.pixel_pca import PixelPca
from urushi.models.variational_autoencoder import kl_divergence
from urushi.recipe import Part

SHAPE = (1, 32, 32)
METHODS = ("autoencoder", "variational_autoencoder", "gan", "bigan", "ganomaly")


@pytest.fixture(scope="module")
def images(pictures):
    return torch.from_numpy(pictures(24, 32, 1, 0))


@pytest.fixture(scope="module")
def pca(images):
    model = PixelPca(SHAPE, n_components=8)
    model.fit([images])
    return model


def started(name, images, **options):
    if name == "gan":
        options["inversion_steps"] = 1
    options |= {"latent_dimension": 8, "linear_path": True}
    model = build_model(Part(name=name, **options), SHAPE)
    model.pretrain([images[:10], images[10:]])
    return model.eval()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_starts_from_what_principal_components_rebuild(name, images, pca):
    step = 0.05 if name == "gan" else 0  # of inversion, which goes on from the code
    expected = pca.reconstruct(images).reconstruction.numpy()
    with torch.no_grad():
        found = started(name, images).reconstruct(images)
    assert found.reconstruction.numpy() == pytest.approx(expected, abs=1e-4 + step)
    assert found.latents.mean(dim=0).numpy() == pytest.approx(0, abs=1e-4 + step)
    assert found.latents.std(dim=0).numpy() == pytest.approx(1, abs=1e-3 + step)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_added_learns_from_the_first_step(name, images):
    model = started(name, images).train()
    for _, loss in model.losses(images):
        loss.backward()
    learning = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    moved = {name.split(".")[0] for name, gradient in learning if gradient.abs().max() > 0}
    assert moved & {"decoder", "generator"}
    assert not any(parameter.requires_grad for parameter in model.path.parameters())


def test_a_posterior_starts_where_no_other_variance_has_less_loss(images):
    model = started("variational_autoencoder", images)
    found = [loss_with(model, images, shift) for shift in (-0.3, 0.0, 0.3)]
    assert found[1] < found[0]
    assert found[1] < found[2]


def loss_with(model, images, shift):
    """Expected summed squared error of a linear decoder and the divergence, at variances off by a factor exp(shift)."""
    log_variance = model.path.log_variance(model.linear_weight) + shift
    error = (model.path.deviations.square() * log_variance.exp()).sum()
    mean = torch.zeros(1, len(log_variance))
    return float(error + kl_divergence(mean, log_variance[None])[0])


def test_along_what_hardly_varies_codes_stay_bounded():
    images = torch.rand(6, 1, 1, 16, generator=torch.Generator().manual_seed(0)).repeat(1, 1, 16, 1)
    path = LinearPath((1, 16, 16), 8)  # six images vary in five directions
    path.learn([images])
    assert float(path.code(torch.rand(4, 1, 16, 16), torch.zeros(4, 8)).abs().max()) < 500
    assert torch.equal(path.code(images, torch.zeros(6, 8))[:, 5:], torch.zeros(6, 3))


def test_many_images_are_taken_evenly_spread():
    levels = torch.linspace(0, 1, 3000)[:, None, None, None].expand(-1, 1, 4, 4)
    path = LinearPath((1, 4, 4), 1)
    path.learn(levels.split(7))
    assert path.mean.numpy() == pytest.approx(0.5, abs=0.001)


def test_without_it_a_method_is_its_networks():
    assert type(path_beside(False, SHAPE, 8, torch.nn.Linear(2, 2))) is NoPath


def test_a_detector_keeps_its_path(images, tmp_path):
    settings = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32, "training.max_epochs": 1}
    chosen = Recipe.find("autoencoder").with_settings(settings | {"model.latent_dimension": 8})
    arrays = as_arrays(images.numpy())
    made = Detector.fit(arrays, chosen)
    made.save(tmp_path / "part.urushi")
    opened = Detector.load(tmp_path / "part.urushi")
    assert np.array_equal(made.inspect(arrays[0]).reconstruction, opened.inspect(arrays[0]).reconstruction)
    assert made.inspect(arrays[0]).reconstruction.std() > 0.01

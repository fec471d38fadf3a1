"""Pixel PCA against scikit-learn, and learning on."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from urushi import Detector, Recipe
from urushi.errors import DatasetError, RecipeError
from urushi.models.pixel_pca import PixelPca


def images(pictures, n: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(pictures(n, 32, 1, seed))


def test_reconstruction_is_that_of_scikit_learn(pictures):
    model, training, new = PixelPca((1, 32, 32), n_components=5), images(pictures, 40), images(pictures, 6, seed=1)
    model.fit(training.split(7))
    pca = PCA(5, svd_solver="full").fit(training.flatten(1).double())
    codes = pca.transform(new.flatten(1).double())
    expected = pca.inverse_transform(codes).clip(0, 1)
    np.testing.assert_allclose(model.reconstruct(new).reconstruction.flatten(1), expected, atol=1e-5)
    np.testing.assert_allclose(model.latents(new).abs().numpy(), np.abs(codes), atol=1e-4)


def test_of_more_components_than_images_span_the_rest_is_empty(pictures):
    model, training = PixelPca((1, 32, 32), n_components=8), images(pictures, 4)
    model.fit([training])
    assert (model.directions.square().sum(dim=1) > 0.5).tolist() == [True] * 3 + [False] * 5
    torch.testing.assert_close(model.reconstruct(training).reconstruction, training, atol=1e-5, rtol=0)


def test_directions_of_wide_images_are_found_part_by_part():
    model, training = PixelPca((3, 64, 96), n_components=4), torch.rand(6, 3, 64, 96)
    model.fit([training])
    centred = training.flatten(1).double() - training.flatten(1).double().mean(dim=0)
    held = (centred @ model.directions.double().T).square().sum()
    torch.testing.assert_close(held, torch.linalg.svdvals(centred)[:4].square().sum(), rtol=1e-6, atol=0)


def test_images_that_are_all_alike_leave_everything_finite(pictures):
    model = PixelPca((1, 32, 32))
    model.fit([images(pictures, 1).expand(4, -1, -1, -1)])
    assert torch.isfinite(model.reconstruct(images(pictures, 2)).reconstruction).all()


def test_one_image_is_too_few(pictures):
    with pytest.raises(DatasetError, match="Only one image was left to learn from"):
        PixelPca((1, 32, 32)).fit([images(pictures, 1)])


def test_images_that_would_make_a_file_of_weights_are_refused():
    assert PixelPca((1, 512, 512)).directions.shape == (32, 2**18)
    with pytest.raises(RecipeError, match=r"513 × 512 px .* with 1 channels, 262,656 values, .* at most 262,144"):
        PixelPca((1, 512, 513))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    sizes = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32, "model.n_components": 4}
    return Recipe.find("pixel-pca").with_settings(sizes | {"split.n_folds": 4})


def test_learning_on_equals_a_fit_on_all_images(textures, recipe):
    whole = Detector.fit(textures, recipe)
    grown = Detector.fit(textures[:8], recipe).add(textures[8:])
    shrunk = grown.remove(textures[:2])
    new = 255 - textures[0]
    assert grown.inspect(new).score == pytest.approx(whole.inspect(new).score, rel=1e-5)
    assert shrunk.inspect(new).score == pytest.approx(Detector.fit(textures[2:], recipe).inspect(new).score, rel=1e-5)


def test_held_out_images_are_scored_by_a_fit_without_them(textures, recipe):
    detector = Detector.fit(textures, recipe.with_settings({"split.n_folds": 12}))
    others = Detector.fit(textures[1:], recipe)
    found = dict(zip(detector.held_out.contents, detector.held_out.scores, strict=True))
    own = detector.inspect(textures[0])
    assert others.inspect(textures[0]).score in [pytest.approx(score, rel=1e-5) for score in found.values()]
    assert own.score < others.inspect(textures[0]).score


@pytest.mark.slow
def test_its_graph_passes_the_gate_with_a_relative_score(textures, recipe):
    relative = {"score.name": "relative", "score.inner": {"name": "squared_error"}}
    exported = Detector.fit(textures, recipe.with_settings(relative)).export(textures)
    assert [one["runtime"] for one in exported.card["exports"]]

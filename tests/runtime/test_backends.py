import numpy as np
import pytest
import torch

from urushi.recipe import Recipe
from urushi.runtime.backend import FakeBackend
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph

IMAGES = np.random.default_rng(0).random((5, 3, 32, 32), np.float32)
RECIPES = {
    "pixels": {"model": {"name": "autoencoder"}, "score": {"name": "absolute_error"}},
    "features": {
        "model": {"name": "feature_reconstruction", "pictures": 0, "blocks": [4], "stride": 8},
        "score": {"name": "feature"},
    },
}


@pytest.fixture(scope="module")
def backends() -> dict[str, TorchBackend]:
    tables = {space: {"preprocessing": [{"name": "scale"}], **table} for space, table in RECIPES.items()}
    recipes = {space: Recipe.from_table(table, "test") for space, table in tables.items()}
    built = {space: TorchBackend(build_graph(recipe, (3, 32, 32))) for space, recipe in recipes.items()}
    features = built["features"].graph.model
    features.fit([features.embed(torch.from_numpy(IMAGES))])
    return built


@pytest.fixture(params=RECIPES)
def backend(request, backends) -> TorchBackend:
    return backends[request.param]


def test_an_output_has_a_map_and_a_score_per_image(backend):
    output = backend.run(IMAGES)
    assert output.anomaly_maps.shape == (5, 32, 32)
    assert output.scores.shape == (5,)
    assert output.anomaly_maps.dtype == output.scores.dtype == np.float32


def test_pixels_are_given_back_and_features_are_not(backends):
    assert backends["features"].run(IMAGES).reconstructions is None
    restored = backends["pixels"].run(IMAGES).reconstructions
    assert restored.shape == IMAGES.shape
    assert restored.dtype == np.float32


def test_the_output_is_that_of_the_graph(backend):
    with torch.no_grad():
        _, maps, scores = backend.graph(torch.from_numpy(IMAGES))
    output = backend.run(IMAGES)
    assert np.allclose(output.anomaly_maps, maps[:, 0], rtol=1e-4, atol=1e-6)
    assert np.allclose(output.scores, scores, rtol=1e-4, atol=1e-6)


def test_features_of_an_image_are_the_same_bits_in_any_batch():
    """So that sums over images do not depend on which came together: from 16 on, layers round otherwise."""
    recipe = Recipe.find("default").with_settings({"model.blocks": [4, 10, 15], "model.pictures": 0})
    embed = TorchBackend(build_graph(recipe, (3, 32, 32))).embed
    images = np.random.default_rng(0).random((17, 3, 32, 32), np.float32)
    assert np.array_equal(embed(images)[:3], embed(images[:3]))


def test_the_output_does_not_depend_on_the_make_up_of_the_batch(backend):
    together = backend.run(IMAGES)
    for row, image in enumerate(IMAGES):
        alone = backend.run(image[None])
        assert alone.scores[0] == pytest.approx(together.scores[row], rel=1e-4, abs=1e-6)
        assert np.allclose(alone.anomaly_maps[0], together.anomaly_maps[row], rtol=1e-3, atol=1e-5)
    assert np.allclose(backend.run(IMAGES[::-1].copy()).scores, together.scores[::-1], rtol=1e-4, atol=1e-6)


def test_cached_inputs_give_the_same_as_images(backend):
    cached = backend.run_inputs(backend.embed(IMAGES))
    direct = backend.run(IMAGES)
    assert np.allclose(cached.scores, direct.scores, rtol=1e-4, atol=1e-6)
    assert np.allclose(cached.anomaly_maps, direct.anomaly_maps, rtol=1e-3, atol=1e-5)


def test_inputs_to_be_cached_are_plain_contiguous_floats(backend):
    inputs = backend.embed(IMAGES)
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    assert len(inputs) == 5


def test_the_images_are_left_as_they_came(backend):
    before = IMAGES.copy()
    backend.run(IMAGES)
    assert np.array_equal(IMAGES, before)


def test_a_backend_computes_as_in_evaluation_not_as_in_training(backend):
    assert not backend.graph.training
    assert np.array_equal(backend.run(IMAGES).scores, backend.run(IMAGES).scores)


def test_the_fake_scores_an_image_by_its_mean():
    output = FakeBackend().run(IMAGES)
    assert np.allclose(output.scores, [image.mean() for image in IMAGES], atol=1e-6)
    assert output.anomaly_maps.shape == (5, 32, 32)
    assert np.array_equal(output.reconstructions, IMAGES)

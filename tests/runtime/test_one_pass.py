"""Images of any size at once, by a method that is convolutions alone ([tiling] one_pass)."""

import numpy as np
import pytest
import torch

from urushi import Detector, Inspection, Recipe
from urushi.errors import ExportError, RecipeError

SETTINGS = {
    "tiling.tile_px": 32,
    "tiling.n_training_tiles": 2,
    "training.max_epochs": 2,
    "model.width": 4,
    "score.alpha": 0.0,
}


def weave(seed: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    return np.clip(120 + 60 * np.sin(x / 2) * np.cos(y / 3) + rng.normal(0, 5, x.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def detector():
    recipe = Recipe.find("convolutional-bigan").with_settings(SETTINGS)
    return Detector.fit([weave(seed, 48, 64) for seed in range(24)], recipe)


def inspected(detector: Detector, image: np.ndarray) -> Inspection:
    found = detector.inspect(image)
    assert isinstance(found, Inspection)
    return found


def test_an_image_goes_through_the_network_whole(detector):
    image = weave(50, 96, 128)
    found, model = inspected(detector, image), detector.backend.graph.model
    with torch.no_grad():
        whole = model.reconstruct(torch.from_numpy(image / 255).float()[None, None]).reconstruction[0, 0].numpy()
    assert np.allclose(found.reconstruction.squeeze(), whole, atol=1e-4)
    error = (image / 255 - whole) ** 2
    tiles = [error[y : y + 32, x : x + 32].mean() for y in range(0, 65, 16) for x in range(0, 97, 16)]
    assert found.score == pytest.approx(max(tiles), rel=1e-3)  # a small defect is not lost in a large image


@pytest.mark.parametrize("size", [(50, 67), (33, 128), (200, 72)])
def test_sides_need_not_be_multiples_of_the_stride(detector, size):
    found = inspected(detector, weave(51, *size))
    assert found.anomaly_map.shape == size
    assert np.isfinite(found.anomaly_map).all()


@pytest.mark.thorough
def test_a_spot_is_found_where_it_is(detector):
    image = weave(52, 120, 160)
    image[70:80, 100:112] = 255
    place = np.unravel_index(inspected(detector, image).anomaly_map.argmax(), image.shape)
    assert 66 <= place[0] < 84
    assert 96 <= place[1] < 116


def test_other_methods_are_refused_before_training():
    recipe = Recipe.find("autoencoder").with_settings({"tiling.tile_px": 32, "tiling.one_pass": True})
    with pytest.raises(RecipeError, match="convolutional_bigan takes any"):
        Detector.fit([weave(seed, 64, 64) for seed in range(24)], recipe)


def test_without_tiles_to_learn_from_it_is_refused():
    with pytest.raises(RecipeError, match=r"tiling\.tile_px"):
        Recipe.find("autoencoder").with_settings({"tiling.one_pass": True})


@pytest.mark.thorough
def test_export_is_refused(detector):
    with pytest.raises(ExportError, match="any"):
        detector.export([weave(60, 48, 64)])

"""A trained network beside a pixel PCA, on images that neither has seen."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from urushi import Detector, Recipe
from urushi.data.splits import split
from urushi.fitting._yardstick import worse_than_pixel_pca

TABLE = {
    "preprocessing": [{"name": "scale"}],
    "model": {"name": "autoencoder", "latent_dimension": 4},
    "score": {"name": "absolute_error"},
    "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
}


def fitted(images: list[np.ndarray], **settings: object) -> Detector:
    return Detector.fit(images, Recipe.from_table(TABLE, "test").with_settings(settings))


def test_both_errors_are_those_of_held_out_images(textures):
    detector = fitted(textures, **{"split.validation_fraction": 0.25})
    facts = detector.card["fit"]
    learnt = [texture for number, texture in enumerate(textures) if number not in facts["held_out"]]
    seen = [learnt[n] for n in split(len(learnt), {"training": 0.75, "validation": 0.25}, seed=0)["training"]]
    held_out = np.stack([textures[n] for n in facts["held_out"]]) / 255
    rebuilt = [detector.inspect(textures[n]).reconstruction[..., 0] for n in facts["held_out"]]
    assert facts["pixel_pca"]["mse"] == pytest.approx(np.square(held_out - np.stack(rebuilt)).mean(), rel=1e-4)
    pca = PCA(len(seen) - 1).fit(np.stack(seen).reshape(len(seen), -1) / 255)
    by_pca = pca.inverse_transform(pca.transform(held_out.reshape(len(held_out), -1))).clip(0, 1)
    expected = np.square(held_out.reshape(len(held_out), -1) - by_pca).mean()
    assert facts["pixel_pca"]["mse_of_pixel_pca"] == pytest.approx(expected, rel=1e-4)


def test_a_network_that_is_hardly_trained_is_warned_of(autoencoder):
    concerns = Detector.load(autoencoder).card["fit"]["concerns"]
    assert any("by a PCA of pixels with 32 components" in concern for concern in concerns)


@pytest.mark.parametrize(("mse", "is_worse"), [(1e-3, False), (2.1e-3, False), (2.3e-3, True)])
def test_only_one_that_rebuilds_clearly_worse_is(mse, is_worse):
    facts = {"pixel_pca": {"n_components": 32, "mse": mse, "mse_of_pixel_pca": 2e-3}}
    assert bool(list(worse_than_pixel_pca(facts))) == is_worse


def test_one_that_has_no_pixels_is_not():
    assert not list(worse_than_pixel_pca({}))


def test_of_folds_the_first_is_compared(textures):
    facts = fitted(textures, **{"split.n_folds": 2}).card["fit"]
    assert facts["pixel_pca"]["mse"] > facts["pixel_pca"]["mse_of_pixel_pca"] > 0


def test_methods_in_closed_form_are_not_compared(textures):
    recipe = Recipe.from_table({**TABLE, "model": {"name": "pixel_pca"}}, "test")
    assert "pixel_pca" not in Detector.fit(textures, recipe).card["fit"]

"""What the trained relative of `feature_reconstruction` shares with it, and where it differs."""

import pytest
import torch

from urushi import Detector, Recipe
from urushi.models.feature_autoencoder import FeatureAutoencoder
from urushi.models.feature_reconstruction import FeatureReconstruction

SHAPE = (3, 64, 64)


@pytest.fixture(scope="module")
def batches(pictures):
    images = torch.from_numpy(pictures(16, 64, 3, seed=0))
    return list(FeatureAutoencoder(SHAPE, pictures=0).embed(images).split(8))


@pytest.mark.thorough
def test_windows_are_those_of_the_closed_form(batches):
    trained, closed = FeatureAutoencoder(SHAPE, pictures=0), FeatureReconstruction(SHAPE, pictures=0)
    trained.pretrain(batches)
    closed.fit(batches)
    other = batches[0] * 1.5
    torch.testing.assert_close(trained.perceived(other), closed.perceived(other), rtol=1e-4, atol=1e-5)
    assert (trained.perceived(other) > trained.perceived(batches[0])).all()


def test_without_windows_the_score_is_that_of_the_map(batches):
    model = FeatureAutoencoder(SHAPE, windows=[], pictures=0)
    model.pretrain(batches)
    assert model.reconstruct(batches[0]).perceived is None
    assert model.gives == frozenset()


def test_a_student_compares_directions(batches):
    """So where a block's features are twice as long, nothing differs; an autoencoder sees that."""
    lengths = {}
    for kind in ("autoencoder", "distillation"):
        model = FeatureAutoencoder(SHAPE, kind=kind, windows=[], pictures=0)
        lengths[kind] = [model.reconstruct(inputs).original.square().mean() for inputs in (batches[0], 2 * batches[0])]
    torch.testing.assert_close(*lengths["distillation"])
    assert lengths["autoencoder"][1] == pytest.approx(4 * float(lengths["autoencoder"][0]))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["autoencoder", "distillation"])
def test_a_spot_is_found_where_it_is(kind, pictures):
    images = (pictures(16, 64, 3, seed=0).transpose(0, 2, 3, 1) * 255).astype("uint8")
    spoilt = images[0].copy()
    spoilt[8:24, 40:56] = (250, 20, 20)
    settings = {
        "preprocessing.resize.height": 64,
        "preprocessing.resize.width": 64,
        "training.max_epochs": 6,
        "model.blocks": [4, 7],
        "model.windows": [],
    }
    recipe = Recipe.find("feature-autoencoder").with_settings(settings | {"model.kind": kind, "training.batch_size": 4})
    detector = Detector.fit(list(images), recipe)
    found, clean = detector.inspect(spoilt), detector.inspect(images[0])
    assert found.score > 2 * clean.score
    row, column = divmod(int(found.anomaly_map.argmax()), 64)
    assert 0 <= row < 32
    assert 32 <= column < 64

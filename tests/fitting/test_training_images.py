"""What a fit learns from: no held-out image teaches its own scorer, and only training images are varied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from urushi import Detector, Recipe
from urushi.data.loader import Rows, loader
from urushi.data.splits import split
from urushi.errors import RecipeError
from urushi.fitting.training_images import TrainingImages, Vary
from urushi.preprocessing import _pipeline
from urushi.preprocessing.base import Image, Step

ROTATED = {"transforms": [{"name": "rotation"}]}


def recipe(model: str = "autoencoder", **sections: Any) -> Recipe:
    table = {
        "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
        "model": {"name": model} | ({"windows": [], "blocks": [4, 7]} if model == "feature_reconstruction" else {}),
        "score": {"name": "squared_error"},
        "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
    }
    return Recipe.from_table({**table, **sections}, "test")


def pictures(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (32, 32), np.uint8) for _ in range(n)]


@dataclass(frozen=True, kw_only=True)
class Darkest(Step):
    """Takes off the darkest mean of the training images: a step that learns."""

    level: float = -1.0

    def apply(self, image: Image) -> Image:
        return np.clip(image - np.float32(self.level), 0, 1)

    def fit(self, images: Iterable[Image]) -> "Darkest":
        return Darkest(level=float(min(image.mean() for image in images)))

    def state(self) -> Mapping[str, np.ndarray]:
        return {"level": np.array(self.level)}


@pytest.fixture
def with_darkest(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    load = _pipeline.catalogue.load
    monkeypatch.setattr(
        _pipeline.catalogue, "load", lambda room, name, kind: Darkest if name == "darkest" else load(room, name, kind)
    )
    steps = [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}, {"name": "darkest"}]
    return recipe(preprocessing=steps)


def test_preprocessing_of_a_part_learns_from_that_part_only(with_darkest: Recipe) -> None:
    good = pictures(6)
    good[2] = good[2] // 4  # the darkest of all
    images = TrainingImages.of(good, with_darkest, seed=0)
    level = images.pipeline.steps[-1].level
    pipeline, inputs = images.inputs_for(np.array([0, 1, 3]), None)
    own = pipeline.steps[-1].level
    assert own > level + 0.1
    expected = np.clip(good[4] / np.float32(255) - np.float32(own), 0, 1)
    assert np.allclose(inputs[4, 0], expected)


def test_a_part_that_teaches_nothing_else_shares_what_is_prepared(with_darkest: Recipe) -> None:
    good = pictures(6)
    good[2] = good[2] // 4
    images = TrainingImages.of(good, with_darkest, seed=0)
    pipeline, inputs = images.inputs_for(np.array([1, 2]), None)
    assert pipeline is images.pipeline
    assert inputs is images.prepared


def test_the_detector_of_one_split_has_the_preprocessing_of_its_training_part(with_darkest: Recipe) -> None:
    good = pictures(20)
    good[0] = good[0] // 4
    fractions = {"training": 0.8, "calibration": 0.2}
    seed = next(seed for seed in range(99) if 0 in split(20, fractions, seed=seed)["calibration"])
    level = Detector.fit(good, with_darkest, seed=seed).pipeline.steps[-1].level
    assert level > float((good[0] / np.float32(255)).mean()) + 0.1


def test_copies_follow_the_images_and_are_found_again() -> None:
    chosen = recipe(augmentation={**ROTATED, "n_copies": 3})
    images = TrainingImages.of(pictures(4), chosen, seed=0)
    _, inputs = images.inputs_for(np.arange(4), None)
    assert inputs.shape == (16, 1, 32, 32)
    assert np.array_equal(inputs[:4], images.prepared)
    assert images.with_copies(np.array([1, 3])).tolist() == [1, 3, 7, 8, 9, 13, 14, 15]
    for row in images.with_copies(np.array([2]))[1:]:
        assert not np.array_equal(inputs[row], inputs[2])
        distances = [abs(inputs[row].mean() - image.mean()) for image in images.prepared]
        assert np.argmin(distances) == 2


def test_a_method_in_closed_form_learns_from_its_copies() -> None:
    good = pictures(12)
    plain = Detector.fit(good, recipe("feature_reconstruction"))
    varied = Detector.fit(good, recipe("feature_reconstruction", augmentation={**ROTATED, "n_copies": 2}))
    assert plain.inspect(good[0]).score != varied.inspect(good[0]).score
    assert plain.card["fit"]["n_training"] == varied.card["fit"]["n_training"]


def test_a_method_without_epochs_asks_for_copies() -> None:
    with pytest.raises(RecipeError, match="n_copies"):
        Detector.fit(pictures(12), recipe("feature_reconstruction", augmentation=ROTATED))


def test_each_epoch_shows_other_variants_and_the_same_ones_again_after_resuming() -> None:
    images = np.random.default_rng(0).random((4, 1, 32, 32), dtype=np.float32)
    vary = Vary.of(recipe(augmentation=ROTATED), 0)

    def epoch(number: int) -> np.ndarray:
        data = loader(Rows(images, np.arange(4), vary), 4, seed=0, n_replicas=1, rank=0, shuffle=False)
        data.sampler.set_epoch(number)
        (batch,) = data
        return batch.numpy()

    assert np.array_equal(epoch(3), epoch(3))
    assert not np.allclose(epoch(3), epoch(4))
    assert not np.allclose(epoch(0), images)


def test_validation_and_calibration_images_are_not_varied(monkeypatch: pytest.MonkeyPatch) -> None:
    varied: list[int] = []
    epochs: set[int] = set()
    call = Vary.__call__

    def noted(self: Vary, images: np.ndarray, rows: np.ndarray, epoch: int) -> np.ndarray:
        varied.extend(rows.tolist())
        epochs.add(epoch)
        return call(self, images, rows, epoch)

    monkeypatch.setattr(Vary, "__call__", noted)
    training = {"max_epochs": 3, "batch_size": 4, "accelerator": "cpu"}
    detector = Detector.fit(pictures(20), recipe(augmentation=ROTATED, training=training))
    assert epochs == {0, 1, 2}
    assert len(set(varied)) == detector.card["fit"]["n_training"] == 14


def test_nothing_is_varied_by_default() -> None:
    assert Vary.of(recipe(), 0) is None

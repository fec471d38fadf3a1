"""Images that teach nothing are refused or said, and one that comes twice counts once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from urushi import Detector, Recipe
from urushi.errors import CalibrationError, DatasetError
from urushi.fitting.training_images import TrainingImages

TEXTURES = [np.random.default_rng(seed).integers(60, 200, (32, 32), np.uint8) for seed in range(12)]


def recipe(model: str = "autoencoder", **settings: Any) -> Recipe:
    table = {
        "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
        "model": {"name": model} | ({"windows": [], "blocks": [4, 7]} if model == "feature_reconstruction" else {}),
        "score": {"name": "squared_error"},
        "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
    }
    return Recipe.from_table(table, "test").with_settings(settings)


def noisy(spread: int) -> list[np.ndarray]:
    """One picture, again and again, with noise of so many levels to either side."""
    rng = np.random.default_rng(0)
    return [np.uint8(TEXTURES[0] + rng.integers(-spread, spread + 1, (32, 32))) for _ in range(12)]


@pytest.mark.parametrize("model", ["autoencoder", "feature_reconstruction"])
@pytest.mark.parametrize("image", [TEXTURES[0], np.zeros((32, 32), np.uint8)])
def test_one_picture_again_and_again_is_refused(model: str, image: np.ndarray) -> None:
    with pytest.raises(DatasetError, match="25 images have the same pixels"):
        Detector.fit([image] * 25, recipe(model))


def test_images_of_one_level_each_are_refused() -> None:
    with pytest.raises(DatasetError, match="all 12 images have one level all over"):
        Detector.fit([np.full((32, 32), 20 * level, np.uint8) for level in range(12)], recipe())


def test_images_that_are_the_same_once_prepared_are_refused() -> None:
    """They differ in their light, which a step takes away."""
    table = recipe().model_dump(mode="json", exclude_none=True) | {"preprocessing": [{"name": "min_max"}]}
    with pytest.raises(DatasetError, match="after preprocessing all 12 images are the same"):
        Detector.fit([TEXTURES[0] // 2 + np.uint8(k) for k in range(12)], Recipe.from_table(table, "test"))


@pytest.mark.parametrize(("spread", "is_said"), [(1, True), (2, True), (8, False)])
def test_images_that_differ_by_noise_alone_are_said(spread: int, is_said: bool) -> None:
    concerns = Detector.fit(noisy(spread), recipe()).card["fit"]["concerns"]
    assert [c.startswith("the good images hardly differ") for c in concerns if "PCA" not in c] == [True] * is_said


def test_single_images_of_one_level_are_named(tmp_path: Path) -> None:
    Image.new("L", (32, 32)).save(tmp_path / "dark.png")
    concerns = Detector.fit([*TEXTURES, tmp_path / "dark.png"], recipe()).card["fit"]["concerns"]
    assert concerns == [f"good images of one level all over: 1, the first: {tmp_path / 'dark.png'}"]


def test_a_constant_channel_is_no_constant_image() -> None:
    images = [np.dstack([image, image.T, np.zeros_like(image)]) for image in TEXTURES]
    assert [c for c in Detector.fit(images, recipe()).card["fit"]["concerns"] if "PCA" not in c] == []


@pytest.mark.thorough
def test_copies_count_once_and_keep_the_places_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no image")
    Image.fromarray(TEXTURES[1]).convert("RGB").save(tmp_path / "copy.bmp")
    sources = [TEXTURES[0], tmp_path / "broken.png", TEXTURES[1], TEXTURES[0], tmp_path / "copy.bmp", *TEXTURES[2:]]
    images = TrainingImages.of(sources, recipe(), seed=0)
    assert images.given(np.arange(4)) == [0, 2, 5, 6]
    assert images.gathered.copies == {3: 0, 4: 2}
    detector, alone = (Detector.fit(images, recipe(**{"split.n_folds": 2})) for images in (sources, TEXTURES))
    assert detector.card["fit"]["copies"] == [{"image": 3, "of": 0}, {"image": 4, "of": 2}]
    assert detector.threshold.n_normals == len(TEXTURES)
    assert detector.held_out.scores == alone.held_out.scores


def test_an_error_on_too_few_images_says_that_copies_do_not_count() -> None:
    with pytest.raises(DatasetError, match="count once: 98 were left out"):
        Detector.fit([TEXTURES[0], TEXTURES[1]] * 50, recipe())
    with pytest.raises(CalibrationError, match="count once: 88 were left out"):
        Detector.fit((TEXTURES * 9)[:100], recipe(**{"threshold.false_alarm_rate": 0.05}))


def test_a_good_image_given_as_a_defect_is_refused_before_training(autoencoder: Path, textures: list) -> None:
    with pytest.raises(CalibrationError, match="defects are good images of the fit as well"):
        Detector.fit(TEXTURES, recipe(**{"threshold.name": "youden"}), defects=[TEXTURES[3]])
    detector = Detector.load(autoencoder)
    with pytest.raises(CalibrationError, match="defects are good images of the fit as well"):
        detector.calibrate(recipe(**{"threshold.name": "youden"}).threshold, defects=[255 - textures[0], textures[3]])

"""urushi sample and urushi interpolate."""

import numpy as np
import pytest
from PIL import Image

from urushi import Detector, Recipe

SETTINGS = {
    "preprocessing.resize.height": 32,
    "preprocessing.resize.width": 32,
    "training.max_epochs": 1,
    "model.width": 4,
}


@pytest.fixture(scope="module")
def generative(tmp_path_factory):
    rng, place = np.random.default_rng(0), tmp_path_factory.mktemp("generative") / "gan.urushi"
    images = [rng.integers(0, 255, (32, 32), np.uint8) for _ in range(24)]
    Detector.fit(images, Recipe.find("gan").with_settings(SETTINGS)).save(place)
    return place


@pytest.mark.thorough
def test_samples_are_a_grid_that_a_seed_names(generative, tmp_path, urushi):
    for name in ("a.png", "b.png"):
        result = urushi("sample", generative, "-o", tmp_path / name, "-n", "4", "--seed", "7")
        assert result.status == 0
        assert "4 images of 32 × 32 px, seed 7 … 10" in result.out
    urushi("sample", generative, "-o", tmp_path / "c.png", "-n", "4", "--seed", "8")
    a, b, c = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "abc")
    assert a.shape == (2 * 128 + 2, 2 * 128 + 2, 3)  # enlarged four times
    assert np.array_equal(a, b)
    assert np.array_equal(a[:128, 130:], c[:128, :128])  # the second of seed 7 is the first of seed 8


@pytest.mark.thorough
def test_interpolation_is_an_animation_there_and_back(generative, tmp_path, urushi):
    assert urushi("interpolate", generative, "-o", tmp_path / "way.gif", "--frames", "5", "--to", "3").status == 0
    with Image.open(tmp_path / "way.gif") as animation:
        assert animation.size == (128, 128)
        assert animation.n_frames == 8
    result = urushi("interpolate", generative, "-o", tmp_path / "s.png", "--minus", "1", "--plus", "2", "--frames", "4")
    assert result.status == 0
    assert "seeds 0 − 1 + 2" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "way.jpg"], "ends in .gif, .apng or .png"),
        (["-o", "way.gif", "--minus", "1"], "go together"),
        (["-o", "missing/way.gif"], "missing"),
        (["-o", "way.gif", "--height", "64"], "32 × 32 px only"),
    ],
)
def test_what_cannot_be_is_said(generative, tmp_path, urushi, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = urushi("interpolate", generative, *arguments)
    assert result.status == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_a_method_without_images_of_its_own_is_refused(detector, tmp_path, urushi):
    result = urushi("sample", detector, "-o", tmp_path / "x.png")
    assert result.status == 2
    assert "makes no images of its own" in result.err

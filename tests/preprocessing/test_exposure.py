from itertools import product

import numpy as np
import pytest

from urushi.catalogue import options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.exposure import Exposure, exposure
from urushi.preprocessing.gamma import Gamma
from urushi.preprocessing.scale import Scale

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, brightest: float = 0.5, shape: tuple[int, ...] = (31, 33)) -> np.ndarray:
    return (np.random.default_rng(6).random(shape) * brightest * FULL[dtype]).astype(dtype)


@pytest.mark.parametrize("brightest", [0.1, 0.5])
def test_afterwards_the_mean_is_the_one_asked_for(brightest):
    for shape, dtype in product([(31, 33), (31, 33, 3)], FULL):
        image = picture(dtype, brightest, shape)
        found = exposure(image, 0.3)
        assert found.dtype == dtype, (shape, dtype)
        assert found.mean(dtype=np.float64) / FULL[dtype] == pytest.approx(0.3, abs=0.005), (shape, dtype)
        ratio = found.astype(np.float64).ravel() / np.maximum(image.astype(np.float64).ravel(), 1e-9)
        assert np.median(ratio) == pytest.approx(0.3 * FULL[dtype] / image.mean(), rel=0.05), (shape, dtype)


def test_two_exposures_of_one_part_come_out_alike():
    image = picture(np.float32)
    assert np.allclose(exposure(image, 0.3), exposure(0.2 * image, 0.3), atol=1e-6)


def test_what_exceeds_full_scale_is_clipped_and_black_stays_black():
    for dtype in FULL:
        image = np.zeros((10, 10), dtype)
        assert not exposure(image, 0.3).any(), dtype
        image[0, 0] = FULL[dtype]
        assert exposure(image, 0.3).max() == FULL[dtype], dtype


def test_noise_in_the_dark_is_blown_up_to_a_limit_only():
    image = np.full((10, 10), 0.001, np.float32)
    assert exposure(image, 0.3) == pytest.approx(0.015)


def test_floats_that_are_no_grey_levels_are_refused():
    with pytest.raises(UnreadableImageError, match="min_max"):
        exposure(np.full((4, 4), 2.0, np.float32), 0.3)


@pytest.mark.parametrize("mean", [0, 1, -0.3])
def test_the_mean_is_a_share(mean):
    with pytest.raises(RecipeError, match=r"step\.mean"):
        options.build(Exposure, {"mean": mean}, "step")


def test_the_factor_takes_a_picture_back_to_its_own_light():
    image = np.random.default_rng(0).random((9, 7, 3), np.float32) * 0.4 + 0.5
    step = Exposure()
    assert np.allclose(step.apply(image) / step.light_factor(image), image, atol=1e-6)
    levels = np.rint(image * 255).astype(np.uint8)
    assert step.light_factor(levels) == pytest.approx(step.light_factor(image), abs=1e-3)
    prepared = Pipeline((Scale(), Exposure(), Gamma(exponent=1.0))).prepare(levels)
    assert np.allclose(prepared.pixels.transpose(1, 2, 0) / prepared.light_factor * 255, levels, atol=1e-3)

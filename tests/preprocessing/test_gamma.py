from itertools import product

import numpy as np
import pytest
from skimage.exposure import adjust_gamma

from urushi.catalogue import options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing.gamma import Gamma, gamma

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...] = (11, 13)) -> np.ndarray:
    return (np.random.default_rng(6).random(shape) * FULL[dtype]).astype(dtype)


@pytest.mark.parametrize(("exponent", "gain"), [(0.6, 1.0), (1.8, 1.0), (0.7, 0.5), (1, 0.9)])
def test_it_agrees_with_scikit_image(exponent, gain):
    for shape, dtype in product([(11, 13), (11, 13, 3)], FULL):
        image = picture(dtype, shape)
        found, expected = gamma(image, exponent, gain), adjust_gamma(image, exponent, gain)
        assert found.dtype == dtype, (shape, dtype)
        rounding = 1e-6 if dtype is np.float32 else 1  # it truncates
        assert np.abs(found - expected.astype(np.float64)).max() <= rounding, (shape, dtype)


def test_integers_are_rounded_to_the_nearest():
    for dtype in [np.uint8, np.uint16]:
        image = picture(dtype)
        expected = np.rint(FULL[dtype] * 1.2 * (image / FULL[dtype]) ** 0.8).clip(0, FULL[dtype])
        assert np.array_equal(gamma(image, 0.8, 1.2), expected), dtype


def test_an_exponent_of_one_changes_nothing():
    for dtype in FULL:
        assert np.array_equal(gamma(picture(dtype), 1), picture(dtype)), dtype


def test_black_and_white_stay_and_what_exceeds_white_is_clipped():
    for dtype in FULL:
        image = np.array([[0, FULL[dtype]]], dtype)
        assert np.array_equal(gamma(image, 0.3), image), dtype
        assert np.array_equal(gamma(image, 0.3, 9), image), dtype


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(gamma(ramp, 1.8))) > 40000


def test_the_callers_image_is_left_alone_whatever_its_memory():
    for dtype in FULL:
        image = picture(dtype, (10, 12, 3))
        image.flags.writeable = False
        for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1], image[:1, :1]):
            found = gamma(view, 0.5)
            assert np.array_equal(found, gamma(view.copy(), 0.5)), dtype
            assert not np.shares_memory(found, image), dtype
        assert np.array_equal(image, picture(dtype, (10, 12, 3))), dtype


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over -1…0\.5.*`min_max`"):
        gamma(np.array([[-1, 0.5]], np.float32), 0.5)


@pytest.mark.parametrize("wrong", [{}, {"exponent": 0}, {"exponent": float("inf")}, {"exponent": 1, "gain": -1}])
def test_wrong_options_are_named(wrong):
    with pytest.raises(RecipeError, match=r"preprocessing\.gamma\.(exponent|gain)"):
        options.build(Gamma, wrong, "preprocessing.gamma")

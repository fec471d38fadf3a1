from itertools import product

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter as scipy_gaussian_filter

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.preprocessing.gaussian_filter import GaussianFilter, gaussian_filter

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...] = (40, 53), seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * FULL[dtype]).astype(dtype)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3, 30.0])
def test_it_agrees_with_scipy(sigma):
    for shape, dtype in product([(40, 53), (40, 53, 3)], FULL):
        image = picture(dtype, shape)
        expected = scipy_gaussian_filter(image.astype(np.float64), sigma, mode="mirror", truncate=4, axes=(0, 1))
        found = gaussian_filter(image, sigma)
        assert found.dtype == dtype, (shape, dtype)
        rounding = {np.uint8: 0.501, np.uint16: 0.55, np.float32: 1e-6}[dtype]
        assert np.abs(found - expected).max() <= rounding, (shape, dtype)


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(gaussian_filter(ramp, 1))) > 60000


def test_constant_images_and_single_pixels_stay():
    for dtype, shape, sigma in product(FULL, [(6, 7), (6, 7, 3), (1, 1), (1, 1, 3), (1, 9)], [0.1, 2, 100]):
        image = np.full(shape, FULL[dtype] * 0.7, dtype)
        found = gaussian_filter(image, sigma)
        assert found.shape == shape, (dtype, shape, sigma)
        assert np.array_equal(found, image), (dtype, shape, sigma)


def test_floats_stay_within_the_range_of_the_image():
    for sigma in [0.3, 1, 7]:
        image = np.pad(np.ones((30, 30), np.float32), ((0, 0), (0, 40)))
        found = gaussian_filter(image, sigma)
        assert found.min() >= 0, sigma
        assert found.max() <= 1, sigma


def test_floats_outside_of_zero_to_one_are_filtered_too():
    image = picture(np.float32) * 2000 - 1000
    assert np.abs(gaussian_filter(image, 2) - scipy_gaussian_filter(image, 2, mode="mirror")).max() < 1e-2


def test_the_callers_image_is_left_alone_whatever_its_memory():
    for dtype in FULL:
        image = picture(dtype, (10, 12, 3))
        image.flags.writeable = False
        for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
            assert np.array_equal(gaussian_filter(view, 2), gaussian_filter(view.copy(), 2)), dtype
        assert np.array_equal(image, picture(dtype, (10, 12, 3))), dtype


@pytest.mark.parametrize("wrong", [{"sigma_px": 0}, {"sigma_px": float("nan")}, {"sigma_px": 101}])
def test_wrong_options_are_named(wrong):
    with pytest.raises(RecipeError, match=r"preprocessing\.gaussian_filter\.sigma_px"):
        options.build(GaussianFilter, wrong, "preprocessing.gaussian_filter")

from itertools import product

import numpy as np
import pytest

from urushi.catalogue import options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing.bilateral_filter import BilateralFilter, bilateral_filter

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...] = (9, 11), seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * FULL[dtype]).astype(dtype)


def naive(image: np.ndarray, radius: int, sigma_space: float, sigma_range: float) -> np.ndarray:
    """S2 eq. 5.12 pixel by pixel, S a disc, the border mirrored."""
    image = np.atleast_3d(image.astype(np.float64))
    height, width, _ = image.shape
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    found = np.empty_like(image)
    for y, x in np.ndindex(height, width):
        total, weights = 0.0, 0.0
        for dy, dx in np.ndindex(2 * radius + 1, 2 * radius + 1):
            distance = np.hypot(dy - radius, dx - radius)
            if distance <= radius:
                neighbour = padded[y + dy, x + dx]
                contrast = np.abs(neighbour - image[y, x]).sum()
                weight = np.exp(-0.5 * ((distance / sigma_space) ** 2 + (contrast / sigma_range) ** 2))
                total, weights = total + weight * neighbour, weights + weight
        found[y, x] = total / weights
    return found.squeeze()


@pytest.mark.parametrize(("diameter", "radius"), [(5, 2), (4, 2), (1, 1), (0, 3)])
def test_it_is_the_weighted_mean_of_the_equation(diameter, radius):
    for shape, dtype in product([(9, 11), (9, 11, 3)], FULL):
        image = picture(dtype, shape)
        found = bilateral_filter(image, diameter, 2.0, 60)
        assert found.dtype == dtype, (shape, dtype)
        rounding = {np.uint8: 0.6, np.uint16: 65535 * 3e-5 + 0.5, np.float32: 3e-5}[dtype]  # weights come from a table
        assert np.abs(found - naive(image, radius, 2.0, 60 / 255 * FULL[dtype])).max() <= rounding, (shape, dtype)


def test_a_narrow_range_is_as_exact():
    for dtype in [np.uint16, np.float32]:
        image = (picture(dtype) * 0.1 + FULL[dtype] * 0.4).astype(dtype)
        found = bilateral_filter(image, 5, 3.0, 2)
        assert np.abs(found - naive(image, 2, 3.0, 2 / 255 * FULL[dtype])).max() <= FULL[dtype] * 3e-5, dtype


def test_the_depth_makes_no_difference():
    image = picture(np.uint8, (30, 30, 3))
    eight = bilateral_filter(image, 7, 3, 25).astype(np.float64)
    sixteen = bilateral_filter(image.astype(np.uint16) * 257, 7, 3, 25) / 257
    floats = bilateral_filter(image / np.float32(255), 7, 3, 25) * 255
    assert np.abs(eight - sixteen).max() < 0.6
    assert np.abs(floats - sixteen).max() < 0.02


def test_edges_stay_and_noise_goes():
    noise = np.random.default_rng(0).normal(0, 4, (20, 20))
    image = (np.where(np.arange(20) < 10, 60, 180) + noise).round().astype(np.uint8)
    found = bilateral_filter(image, 0, 3, 20).astype(int)
    assert found[:, :10].std() < image[:, :10].std() / 3
    assert (found[:, 10] - found[:, 9]).min() > 110


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(bilateral_filter(ramp, 5, 3, 20))) > 60000


def test_constant_images_and_single_pixels_stay():
    for dtype, shape in product(FULL, [(6, 7), (6, 7, 3), (1, 1), (1, 1, 3), (1, 9)]):
        image = np.full(shape, FULL[dtype] * 0.7, dtype)
        found = bilateral_filter(image, 9, 5, 10)
        assert found.shape == shape, (dtype, shape)
        assert np.array_equal(found, image), (dtype, shape)


def test_floats_stay_within_the_range_of_the_image():
    for seed in range(5):
        image = (picture(np.float32, (17, 13), seed) > 0.5).astype(np.float32)
        found = bilateral_filter(image, 0, 15, 1000)
        assert found.min() >= 0, seed
        assert found.max() <= 1, seed


def test_the_callers_image_is_left_alone_whatever_its_memory():
    for dtype in FULL:
        image = picture(dtype, (10, 12, 3))
        image.flags.writeable = False
        for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
            assert np.array_equal(bilateral_filter(view, 5, 3, 20), bilateral_filter(view.copy(), 5, 3, 20)), dtype
        assert np.array_equal(image, picture(dtype, (10, 12, 3))), dtype


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over 0…1000.*`min_max`"):
        bilateral_filter(np.array([[0, 1000]], np.float32), 5, 3, 20)


@pytest.mark.parametrize("wrong", [{"diameter_px": -1}, {"sigma_space_px": 0}, {"sigma_range": 0}])
def test_wrong_options_are_named(wrong):
    with pytest.raises(RecipeError, match=rf"preprocessing\.bilateral_filter\.{next(iter(wrong))}"):
        options.build(BilateralFilter, wrong, "preprocessing.bilateral_filter")

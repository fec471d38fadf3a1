import tracemalloc
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import median_filter as scipy_median_filter

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.preprocessing.median_filter import MedianFilter, median_filter

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...] = (29, 23)) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * FULL[dtype]).astype(dtype)


@pytest.mark.parametrize("size", [3, 5, 7, 15])
def test_it_agrees_with_scipy(size):
    for shape, dtype in product([(29, 23), (29, 23, 3), (3, 4), (1, 1), (1, 1, 3), (1, 30)], FULL):
        image = picture(dtype, shape)
        found = median_filter(image, size)
        assert found.dtype == dtype, (shape, dtype)
        expected = scipy_median_filter(image, size=(size, size), axes=(0, 1), mode="nearest")
        assert np.array_equal(found, expected), (shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_square_larger_than_what_is_sorted_at_once_works(dtype, monkeypatch):
    image = picture(dtype)
    expected = median_filter(image, 9)
    monkeypatch.setattr("urushi.preprocessing.median_filter._N_VALUES", 50)
    assert np.array_equal(median_filter(image, 9), expected)


def test_memory_is_bounded():
    image = picture(np.float32, (300, 300))
    tracemalloc.start()
    median_filter(image, 31)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20  # all windows at once would take 346 MB


def test_a_single_wrong_pixel_vanishes_and_an_edge_stays():
    for dtype, size in product(FULL, [3, 7]):
        image = np.zeros((20, 20), dtype)
        image[:, 10:] = FULL[dtype]
        wrong = image.copy()
        wrong[10, 3] = FULL[dtype]
        assert np.array_equal(median_filter(wrong, size), image), (dtype, size)


def test_a_sixteen_bit_ramp_keeps_its_levels():
    for size in [3, 7]:
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        assert len(np.unique(median_filter(ramp, size))) > 55000, size


def test_a_constant_image_stays():
    for dtype, size in product(FULL, [3, 9, 255]):
        image = np.full((4, 5), FULL[dtype] * 0.7, dtype)
        assert np.array_equal(median_filter(image, size), image), (dtype, size)


def test_the_callers_image_is_left_alone_whatever_its_memory():
    for dtype, size in product(FULL, [3, 7]):
        image = picture(dtype, (10, 12, 3))
        image.flags.writeable = False
        for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
            assert np.array_equal(median_filter(view, size), median_filter(view.copy(), size)), (dtype, size)
        assert np.array_equal(image, picture(dtype, (10, 12, 3))), (dtype, size)


@pytest.mark.parametrize(("size", "message"), [(4, "= 4: give an odd number, such as 5"), (1, "= 1"), (257, "= 257")])
def test_wrong_sizes_are_refused(size, message):
    with pytest.raises(RecipeError, match=rf"preprocessing\.median_filter\.size_px {message}"):
        options.build(MedianFilter, {"size_px": size}, "preprocessing.median_filter")
    if size % 2 == 0:
        with pytest.raises(RecipeError, match=message):
            median_filter(np.zeros((9, 9), np.uint8), size)

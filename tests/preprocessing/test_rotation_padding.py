"""Padding for rotation: nothing is lost at any angle, and places come back."""

import math
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from urushi.preprocessing.resize import resize
from urushi.preprocessing.rotation_padding import RotationPadding, central_region, padded_size, rotation_padding

DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
sides = st.integers(1, 300)


def picture(dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = np.random.default_rng(0).random(shape) * FULL[dtype]
    return values.round().astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


@given(sides)
def test_a_square_grows_to_root_two_and_at_most_one_pixel_more(n):
    height, width = padded_size(n, n)
    assert height == width
    assert (height - n) % 2 == 0
    assert height - math.ceil(n * math.sqrt(2)) in (0, 1)


@given(sides, sides)
def test_the_diagonal_fits_into_either_side(height, width):
    larger = padded_size(height, width)
    assert min(larger) >= math.hypot(height, width) - 1e-9
    assert larger[0] * width == pytest.approx(larger[1] * height, abs=2 * max(height, width))  # the same shape


def test_no_angle_loses_a_pixel():
    n = 64
    larger = padded_size(n, n)[0]
    padded = np.pad(np.ones((n, n)), (larger - n) // 2)
    for angle in range(0, 360, 5):
        turn = cv2.getRotationMatrix2D(((larger - 1) / 2, (larger - 1) / 2), angle, 1)
        assert cv2.warpAffine(padded, turn, (larger, larger)).sum() == pytest.approx(
            n * n, rel=5e-3
        )  # OpenCV samples at 1/32 px


def test_the_image_is_centred_amid_its_fill_and_reduced():
    for fill_level, shape, dtype in product([0, 51, 255], [(32, 32), (33, 33), (24, 40), (32, 32, 3)], DTYPES):
        image = picture(dtype, shape)
        height, width = padded_size(*shape[:2])
        canvas = np.full((height, width, *shape[2:]), round(fill_level / 255 * FULL[dtype], 6), dtype)
        top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
        canvas[top : top + shape[0], left : left + shape[1]] = image
        found = rotation_padding(image, fill_level)
        assert found.dtype == dtype, (fill_level, shape, dtype)
        assert np.array_equal(found, resize(canvas, *shape[:2])), (fill_level, shape, dtype)
        assert np.allclose(found[0, 0], fill_level / 255 * FULL[dtype]), (fill_level, shape, dtype)


def test_a_marked_spot_comes_back_to_its_place():
    for shape, dtype in product([(64, 64), (65, 65), (48, 80)], DTYPES):
        image = np.zeros(shape, dtype)
        image[10:16, 30:36] = FULL[dtype]
        found, back = RotationPadding().place(image)
        y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
        weights = found / found.sum(dtype=np.float64)
        place = back @ [(x * weights).sum(), (y * weights).sum(), 1]
        assert np.allclose(place, [33, 13, 1], atol=0.05), (shape, dtype)


@given(sides, sides)
def test_the_matrix_takes_the_frame_around_the_image(height, width):
    _, back = RotationPadding().place(np.zeros((height, width), np.uint8))
    larger = padded_size(height, width)
    corners = back @ [[0, width], [0, height], [1, 1]]
    assert np.allclose(corners[0], [-(larger[1] - width) / 2, (larger[1] + width) / 2])
    assert np.allclose(corners[1], [-(larger[0] - height) / 2, (larger[0] + height) / 2])


@given(st.integers(4, 200), st.integers(4, 200), st.floats(0, 255))
def test_the_central_region_shows_the_image_alone_and_misses_less_than_a_pixel(height, width, fill_level):
    image, region = np.ones((height, width), np.float32), central_region(height, width)
    assume(region.any())
    assert (rotation_padding(image, fill_level)[region] > 1 - 1e-5).all()
    _, back = RotationPadding().place(image)
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    missing = back @ [columns[0], rows[0], 1]
    assert (missing[:2] >= -1e-9).all()
    assert (missing[:2] < 1.01 * np.array([back[0, 0], back[1, 1]])).all()


def test_half_of_a_square_is_central():
    assert central_region(512, 512).mean() == pytest.approx(0.5, abs=0.01)


def test_a_single_pixel_passes():
    assert rotation_padding(np.full((1, 1), 200, np.uint8)).shape == (1, 1)
    assert not central_region(1, 1).any()


def test_a_constant_image_amid_its_own_level_stays_constant():
    for dtype in DTYPES:
        image = np.full((17, 23, 3), FULL[dtype], dtype)
        assert np.allclose(rotation_padding(image, 255), image), dtype


def test_sixteen_bits_keep_more_levels_than_eight():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(rotation_padding(ramp))) > 8192


def test_the_image_that_came_is_not_changed():
    for dtype in DTYPES:
        image = picture(dtype, (20, 30, 3))
        before = image.copy()
        rotation_padding(image)
        assert np.array_equal(image, before), dtype

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.preprocessing.resize import Resize, resize

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area", "lanczos")
DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
SIZES = ((11, 8), (64, 50), (29, 40), (37, 9))  # smaller, larger, mixed


def picture(dtype: Any, shape: tuple[int, ...] = (29, 21), seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape) * FULL[dtype]
    return values.round().astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def sampled(kernel: Any, reach: int, n_from: int, n_to: int) -> np.ndarray:
    """The matrix (n_to, n_from) that samples a line at the centres of new pixels; the border repeats the last pixel."""
    weights = np.zeros((n_to, n_from))
    for row in range(n_to):
        place = (row + 0.5) * n_from / n_to - 0.5
        taps = np.floor(place).astype(int) + np.arange(1 - reach, reach + 1)
        values = np.array([kernel(place - tap) for tap in taps])
        np.add.at(weights[row], np.clip(taps, 0, n_from - 1), values / values.sum())
    return weights


def averaged(n_from: int, n_to: int) -> np.ndarray:
    """The matrix that averages a line over the stretch that each new pixel covers."""
    edges = np.linspace(0, n_from, n_to + 1)
    columns = np.arange(n_from)
    overlap = np.minimum(edges[1:, None], columns + 1) - np.maximum(edges[:-1, None], columns)
    return np.clip(overlap, 0, None) / (n_from / n_to)


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def keys(x: float, a: float = -0.75) -> float:
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def lanczos4(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 4)) if abs(x) < 4 else 0.0


KERNELS = {"bilinear": (triangle, 1), "bicubic": (keys, 2), "lanczos": (lanczos4, 4)}


def reference(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resized in double precision by the formulas, rows and columns apart."""
    if interpolation == "area":
        matrices = [averaged(old, new) for old, new in zip(image.shape, size, strict=False)]
    else:
        kernel, reach = KERNELS[interpolation]
        matrices = [sampled(kernel, reach, old, new) for old, new in zip(image.shape, size, strict=False)]
    return np.einsum("ij,jk...,lk->il...", matrices[0], image.astype(np.float64), matrices[1])


@pytest.mark.parametrize("interpolation", KERNELS)
def test_interpolation_follows_its_formula(interpolation):
    for shape, dtype, size in product([(29, 21), (29, 21, 3)], DTYPES, SIZES):
        image = picture(dtype, shape)
        expected = np.clip(reference(image, size, interpolation), 0, FULL[dtype])
        if dtype is np.float32:
            expected = np.clip(expected, image.min(), image.max())
        found = resize(image, *size, interpolation)
        assert found.dtype == dtype, (shape, dtype, size)
        # OpenCV computes 8 bits in fixed point and Lanczos from a table.
        rounding = 2 / 255 if dtype is np.uint8 else 1e-3
        assert np.abs(found - expected).max() <= FULL[dtype] * rounding, (shape, dtype, size)


def test_area_averages_what_each_pixel_covers():
    for shape, dtype, size in product([(29, 21), (29, 21, 3)], DTYPES, [(11, 8), (28, 20), (1, 1), (29, 7)]):
        image = picture(dtype, shape)
        found = resize(image, *size, "area")
        rounding = 1e-6 if dtype is np.float32 else 0.51
        assert np.abs(found - reference(image, size, "area")).max() <= rounding, (shape, dtype, size)


def test_area_enlarges_bilinearly():
    for size in [(64, 50), (29, 40), (37, 9)]:
        image = picture(np.float32)
        assert np.array_equal(resize(image, *size, "area"), resize(image, *size, "bilinear")), size
        assert not np.array_equal(resize(image, *size, "area"), resize(image, *size, "nearest")), size


def test_nearest_by_a_whole_factor_repeats_pixels():
    for dtype in DTYPES:
        image = picture(dtype, (5, 7, 3))
        assert np.array_equal(resize(image, 15, 14, "nearest"), image.repeat(3, axis=0).repeat(2, axis=1)), dtype


def test_the_same_size_changes_nothing():
    for dtype, interpolation in product(DTYPES, INTERPOLATIONS):
        image = picture(dtype)
        assert np.array_equal(resize(image, 29, 21, interpolation), image), (dtype, interpolation)


@given(
    st.sampled_from(INTERPOLATIONS),
    st.sampled_from(DTYPES),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_a_constant_image_stays_constant(interpolation, dtype, before, after):
    image = np.full(before, FULL[dtype], dtype)
    found = resize(image, *after, interpolation)
    assert found.shape == after
    assert found.dtype == dtype
    assert (found == FULL[dtype]).all()


@given(st.sampled_from(INTERPOLATIONS), st.integers(0, 99), st.integers(1, 40), st.integers(1, 40))
def test_floats_stay_within_the_range_of_the_image(interpolation, seed, height, width):
    image = (np.random.default_rng(seed).random((17, 13)) > 0.5).astype(np.float32)  # hard edges make filters overshoot
    found = resize(image, height, width, interpolation)
    assert found.min() >= image.min()
    assert found.max() <= image.max()


def test_sixteen_bits_keep_more_levels_than_eight():
    for interpolation in INTERPOLATIONS:
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        found = resize(ramp, 128, 128, interpolation)
        assert found.dtype == np.uint16, interpolation
        assert len(np.unique(found)) > 8192, interpolation


@pytest.mark.parametrize("image", [np.zeros((6, 4), np.uint8), np.zeros((30, 50, 3), np.float32)])
def test_the_matrix_takes_corners_back_to_the_corners(image):
    _, matrix = Resize(height=12, width=7).place(image)
    height, width = image.shape[:2]
    corners = np.array([[0, 7, 0, 7, 3.5], [0, 0, 12, 12, 6], [1, 1, 1, 1, 1]])
    expected = np.array([[0, width, 0, width, width / 2], [0, 0, height, height, height / 2], [1, 1, 1, 1, 1]])
    assert np.allclose(matrix @ corners, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ({"height": 0, "width": 8}, "height = 0"),
        ({"height": 8, "width": 16385}, "width = 16385"),
        ({"height": 8}, "width"),
        ({"height": 8, "width": 8, "interpolation": "cubic"}, "interpolation = 'cubic'.*'bicubic'"),
        ({"height": 8, "width": 8, "heigth": 9}, "heigth is unknown; did you mean 'height'"),
    ],
)
def test_wrong_options_are_named(given_options, message):
    with pytest.raises(RecipeError, match=message):
        options.build(Resize, given_options, "preprocessing.resize")

"""Content-aware resizing: what is left are pixels that were there, and the object among them."""

import json
import os
import subprocess
import sys
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.preprocessing.seam_carving import SeamCarving, seam_carving

DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
SIZES = ((20, 30), (12, 30), (20, 17), (9, 11), (26, 41), (30, 10), (1, 1))


def picture(dtype: Any, shape: tuple[int, ...] = (20, 30)) -> np.ndarray:
    values = np.random.default_rng(0).random(shape) * FULL[dtype]
    return values.round().astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def cheapest_seam(grey: np.ndarray) -> list[int]:
    """The column per row of the connected path of least |∂x| + |∂y| (Sobel), by plain dynamic programming."""
    from scipy.ndimage import sobel

    energy = np.abs(sobel(grey.astype(np.float64), axis=1)) + np.abs(sobel(grey.astype(np.float64), axis=0))
    cost = [energy[0]]
    for row in energy[1:]:
        padded = np.pad(cost[-1], 1, constant_values=np.inf)
        cost.append(row + np.min([padded[:-2], padded[1:-1], padded[2:]], axis=0))
    seam = [int(cost[-1].argmin())]
    for row in cost[-2::-1]:
        near = range(max(seam[-1] - 1, 0), min(seam[-1] + 2, len(row)))
        seam.append(min(near, key=row.__getitem__))
    return seam[::-1]


KINDS = (  # each depth, grey and in colour, with each energy
    (np.uint8, (20, 30), "backward"),
    (np.uint16, (20, 30, 3), "backward"),
    (np.uint16, (20, 30), "forward"),
    (np.float32, (20, 30, 3), "forward"),
)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_out_with_its_depth(size):
    for dtype, shape, energy in KINDS:
        found = seam_carving(picture(dtype, shape), *size, energy)
        assert found.shape == (*size, *shape[2:]), (dtype, shape, energy)
        assert found.dtype == dtype, (dtype, shape, energy)


def test_the_seam_of_least_contrast_goes_first():
    for dtype in DTYPES:
        image = picture(dtype)
        kept = np.ones(image.shape, bool)
        kept[np.arange(20), cheapest_seam(image)] = False
        assert np.array_equal(seam_carving(image, 20, 29), image[kept].reshape(20, 29)), dtype


def test_rows_of_a_narrower_image_are_its_rows_with_pixels_left_out():
    for dtype in DTYPES:
        image = picture(dtype)
        for before, after in zip(image, seam_carving(image, 20, 14), strict=True):
            places = [np.flatnonzero(before == level) for level in after]
            first = [int(place[0]) for place in places]
            if all(len(place) == 1 for place in places):  # levels that occur once tell their order
                assert all(a < b for a, b in pairwise(first)), dtype
            assert set(after) <= set(before), dtype


def test_sixteen_bits_keep_their_exact_levels():
    ramp = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60) * 27
    found = seam_carving(ramp, 30, 40)
    assert set(found.ravel()) <= set(ramp.ravel())
    assert len(np.unique(found)) == 1200


def test_an_object_stays_while_its_flat_background_goes():
    for dtype in DTYPES:
        image = np.full((20, 40), 0.8 * FULL[dtype]).astype(dtype)
        image[6:14, 15:25] = picture(dtype, (8, 10)) // 2 if dtype is not np.float32 else picture(dtype, (8, 10)) / 2
        found = seam_carving(image, 14, 22)
        rows, columns = np.nonzero(found != image[0, 0])
        kept = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert np.array_equal(kept, image[6:14, 15:25]), dtype


def test_a_constant_image_stays_constant():
    for dtype, size, shape in product(
        DTYPES, [(1, 1), (3, 5), (16, 24)], [(1, 1), (1, 7), (7, 1), (8, 12), (8, 12, 3)]
    ):
        assert (seam_carving(np.full(shape, FULL[dtype], dtype), *size) == FULL[dtype]).all(), (dtype, size, shape)


def test_the_same_size_changes_nothing():
    image = picture(np.uint16, (20, 30, 3))
    assert np.array_equal(seam_carving(image, 20, 30), image)


def test_the_matrix_takes_corners_back_to_the_corners():
    found, back = SeamCarving(height=12, width=20).place(picture(np.uint8))
    assert found.shape == (12, 20)
    assert np.allclose(back @ [[0, 20], [0, 12], [1, 1]], [[0, 30], [0, 20], [1, 1]])


def test_a_marked_pixel_comes_back_near_its_place():
    image = np.full((20, 40), 200, np.uint8)
    image[10, 20] = 0
    found, back = SeamCarving(height=16, width=30).place(image)
    y, x = np.unravel_index(found.argmin(), found.shape)
    assert found.min() == 0
    assert np.abs(back @ [x + 0.5, y + 0.5, 1] - [20.5, 10.5, 1]).max() <= 10  # no further than what went on one side


def test_the_image_that_came_is_not_changed():
    for dtype in DTYPES:
        image = picture(dtype, (20, 30, 3))
        before = image.copy()
        seam_carving(image, 26, 17)
        assert np.array_equal(image, before), dtype


def test_both_sides_must_be_given():
    with pytest.raises(RecipeError, match="width"):
        options.build(SeamCarving, {"height": 8}, "preprocessing.seam_carving")


@pytest.mark.slow
def test_compiled_it_carves_the_same_seams():
    """The suite runs the carver uncompiled, since compiling takes longer than all of its tests."""
    code = (
        "import json, numpy as np; from urushi.preprocessing.seam_carving import seam_carving; "
        "image = (np.random.default_rng(0).random((20, 30)) * 255).round().astype(np.uint8); "
        "print(json.dumps(seam_carving(image, 16, 24, 'backward').tolist()))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_DISABLE_JIT"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(run.stdout) == seam_carving(picture(np.uint8), 16, 24, "backward").tolist()

"""The crop to an object against scikit-image, and against objects whose place is known."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from skimage.draw import ellipse
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from urushi.errors import UnreadableImageError
from urushi.preprocessing._histograms import otsu
from urushi.preprocessing.crop import Crop, bounding_box, object_mask

DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
SHARP = {"smoothing_px": 0.0}


def in_depth(levels: np.ndarray, dtype: Any, channels: int = 1) -> np.ndarray:
    scaled = np.clip(levels, 0, 255) / 255 * FULL[dtype]
    image = scaled.round().astype(dtype) if dtype is not np.float32 else scaled.astype(dtype)
    return image if channels == 1 else np.dstack([image] * channels)


def rectangle(top: int, left: int, bottom: int, right: int, inside: float = 60, outside: float = 200) -> np.ndarray:
    levels = np.full((50, 70), float(outside))
    levels[top:bottom, left:right] = inside
    return levels


@pytest.mark.parametrize("threshold", [None, 130.0])
def test_a_rectangle_is_cut_out_exactly(threshold):
    for channels, dtype in product([1, 3], DTYPES):
        image = in_depth(rectangle(11, 23, 31, 60), dtype, channels)
        cropped, back = Crop(threshold=threshold, **SHARP).place(image)
        assert cropped.dtype == dtype, (channels, dtype)
        assert np.array_equal(cropped, image[11:31, 23:60]), (channels, dtype)
        assert np.array_equal(back, [[1, 0, 23], [0, 1, 11], [0, 0, 1]]), (channels, dtype)


def test_a_brighter_object_is_cut_out_as_well():
    for dtype in DTYPES:
        image = in_depth(rectangle(11, 23, 31, 60, inside=220, outside=30), dtype)
        assert np.array_equal(Crop(object_is="brighter", **SHARP).apply(image), image[11:31, 23:60]), dtype


def test_a_noisy_potato_is_found_within_two_pixels():
    for seed, dtype in product(range(3), DTYPES):
        levels = np.full((120, 200), 190.0)
        levels[ellipse(55, 90, 33, 61)] = 90
        levels[ellipse(55, 90, 5, 5)] = 10  # a foreign object in it
        image = in_depth(levels + np.random.default_rng(seed).normal(0, 20, levels.shape), dtype)
        cropped, back = Crop().place(image)
        found = np.array([back[1, 2], back[0, 2], back[1, 2] + cropped.shape[0], back[0, 2] + cropped.shape[1]])
        assert np.abs(found - [23, 30, 88, 151]).max() <= 2, (seed, dtype)


def test_boxes_are_those_of_scikit_image():
    for seed in range(5):
        mask = np.random.default_rng(seed).random((30, 40)) < 0.35
        parts = regionprops(label(mask, connectivity=2))
        largest = max(parts, key=lambda part: part.area)
        assert bounding_box(mask, None) == largest.bbox, seed
        boxes = np.array([part.bbox for part in parts if part.area >= 6])
        assert bounding_box(mask, 6) == (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)), seed


def test_the_threshold_parts_pixels_as_that_of_scikit_image_does():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        levels = np.round(np.concatenate([rng.normal(70, 20, 900), rng.normal(180, 15, 2100)]).clip(0, 255))
        expected = threshold_otsu(levels.astype(np.uint8))
        assert np.array_equal(levels <= otsu(levels), levels <= expected), seed


def test_the_largest_part_is_kept_or_all_that_are_large_enough():
    levels = rectangle(10, 10, 30, 30)
    levels[40:45, 60:65], levels[2, 2] = 60, 60
    image = in_depth(levels, np.uint8)
    assert Crop(**SHARP).apply(image).shape == (20, 20)
    assert Crop(min_area_px=25, **SHARP).apply(image).shape == (35, 55)
    assert Crop(min_area_px=1, **SHARP).apply(image).shape == (43, 63)


def test_a_margin_stays_within_the_image():
    for margin_px, shape, corner in [(4, (28, 45), (19, 7)), (15, (46, 62), (8, 0)), (999, (50, 70), (0, 0))]:
        cropped, back = Crop(margin_px=margin_px, **SHARP).place(in_depth(rectangle(11, 23, 31, 60), np.uint8))
        assert cropped.shape == shape, (margin_px, shape, corner)
        assert (back[0, 2], back[1, 2]) == corner, (margin_px, shape, corner)


def test_a_marked_pixel_comes_back_to_its_place():
    for dtype in DTYPES:
        levels = rectangle(11, 23, 31, 60)
        levels[17, 41] = 0
        image = in_depth(levels, dtype)
        cropped, back = Crop(margin_px=3).place(image)
        y, x = np.unravel_index(cropped.argmin(), cropped.shape)
        assert np.array_equal(back @ [x, y, 1], [41, 17, 1]), dtype


@pytest.mark.parametrize("threshold", [None, 100.0])
def test_a_constant_image_holds_no_object(threshold):
    for shape, dtype, level in product([(1, 1), (8, 9), (8, 9, 3)], DTYPES, [0, 0.7, 1]):
        image = np.full(shape, level * FULL[dtype]).astype(dtype)
        with pytest.raises(UnreadableImageError, match=r"no object to crop to: all levels lie on one side"):
            Crop(threshold=threshold).apply(image)


def test_an_empty_noisy_belt_holds_no_object():
    for seed in range(5):
        image = in_depth(np.random.default_rng(seed).normal(180, 20, (100, 150)), np.uint16)
        with pytest.raises(UnreadableImageError, match=r"no object to crop to: dark and bright parts have mean levels"):
            Crop().apply(image)


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over 60…200"):
        Crop().apply(rectangle(11, 23, 31, 60).astype(np.float32))


def test_parts_that_are_all_too_small_are_no_object():
    image = in_depth(rectangle(10, 10, 14, 15), np.uint8)
    with pytest.raises(UnreadableImageError, match=r"largest part has 20 px, less than min_area_px = 21"):
        Crop(min_area_px=21, **SHARP).apply(image)


def test_weak_contrast_is_an_object_when_asked_for():
    image = in_depth(rectangle(11, 23, 31, 60, inside=192, outside=200), np.uint8)
    with pytest.raises(UnreadableImageError, match="192 and 200"):
        Crop(**SHARP).apply(image)
    assert Crop(min_contrast=5.0, **SHARP).apply(image).shape == (20, 37)


def test_a_threshold_is_a_level_of_eight_bits_at_any_depth():
    for dtype in DTYPES:
        image = in_depth(np.array([[20.0, 99, 101, 220]]), dtype)
        assert object_mask(image, 100, "darker", 0, 0).tolist() == [[True, True, False, False]], dtype
        assert object_mask(image, 100, "brighter", 0, 0).tolist() == [[False, False, True, True]], dtype


def test_a_pixel_at_the_threshold_is_dark():
    assert object_mask(np.array([[99, 100, 101]], np.uint8), 100, "darker", 0, 0).tolist() == [[True, True, False]]


def test_sixteen_bits_keep_their_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(Crop().apply(ramp))) > 8192


def test_the_image_that_came_is_not_changed():
    for dtype in DTYPES:
        image = in_depth(rectangle(11, 23, 31, 60), dtype)
        before = image.copy()
        Crop().apply(image)
        assert np.array_equal(image, before), dtype

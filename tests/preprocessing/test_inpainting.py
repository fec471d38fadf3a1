"""Navier–Stokes inpainting against OpenCV itself, and masks of dead pixels from calibration images."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.inpainting import Inpainting, dead_pixel_mask, inpaint

DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
BANDS = np.s_[:, 20:26]


def random_picture(dtype: Any, shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    values = np.random.default_rng(0).random(shape) * FULL[dtype]
    return values.round().astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def radiograph(shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """A smooth product, levels in [0, 1]: transmission exp(−thickness) of an ellipsoid in a sloping beam."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = 1 - ((y - 30) / 25) ** 2 - ((x - 40) / 33) ** 2
    return (0.9 - 0.001 * x) * np.exp(-1.2 * np.sqrt(np.clip(inside, 0, None)))


def in_depth(levels: np.ndarray, dtype: Any) -> np.ndarray:
    return (levels * FULL[dtype]).round().astype(dtype) if dtype is not np.float32 else levels.astype(dtype)


def columns(shape: tuple[int, int], *bands: slice) -> np.ndarray:
    dead = np.zeros(shape, bool)
    for band in bands:
        dead[:, band] = True
    return dead


def save(path: Path, image: np.ndarray) -> str:
    assert cv2.imwrite(str(path), image)
    return str(path)


@pytest.fixture
def calibration(tmp_path) -> dict[str, str]:
    """ON and OFF images of a detector whose columns 7, 8 and 20 are dead, one of them stuck at a high level."""
    rng = np.random.default_rng(1)
    off = rng.normal(2000, 100, (30, 40))
    on = off + rng.normal(40000, 2000, (30, 40)) * (1 - 0.3 * np.linspace(-1, 1, 40) ** 2)
    for band, level in ((slice(7, 9), 1500), (slice(20, 21), 60000)):
        on[:, band], off[:, band] = rng.normal(level, 100, (2, *on[:, band].shape))
    frames = {"exposure_on": on, "exposure_off": off}
    return {k: save(tmp_path / f"{k}.png", v.round().astype(np.uint16)) for k, v in frames.items()}


DEAD_COLUMNS = columns((30, 40), slice(7, 9), slice(20, 21))


def test_grey_integers_are_repaired_as_opencv_does():
    for radius_px, dtype in product([1, 3, 20], [np.uint8, np.uint16]):
        image, dead = random_picture(dtype, (80, 90)), np.zeros((80, 90), bool)
        dead[25:-25, 25:-25] = np.random.default_rng(2).random((30, 40)) < 0.2
        expected = cv2.inpaint(image, dead.astype(np.uint8), radius_px, cv2.INPAINT_NS)
        assert np.array_equal(inpaint(image, dead, radius_px), expected), (radius_px, dtype)


def test_eight_bit_colours_are_repaired_as_opencv_does():
    image, dead = random_picture(np.uint8, (40, 50, 3)), np.zeros((40, 50), bool)
    dead[10:-10, 20:26] = True
    assert np.array_equal(inpaint(image, dead, 5), cv2.inpaint(image, dead.astype(np.uint8), 5, cv2.INPAINT_NS))


def test_colours_are_repaired_one_by_one():
    for dtype in DTYPES:
        image, dead = random_picture(dtype, (40, 50, 3)), columns((40, 50), slice(20, 26))
        found = inpaint(image, dead, 5)
        assert found.dtype == dtype, dtype
        for channel in range(3):
            alone = inpaint(np.ascontiguousarray(image[..., channel]), dead, 5)
            assert np.array_equal(found[..., channel], alone), (dtype, channel)


def test_floats_are_repaired_as_sixteen_bits_are():
    dead = columns((60, 80), slice(20, 26), slice(50, 53))
    fine = inpaint(in_depth(radiograph(), np.float32), dead, 10)
    assert np.abs(fine - inpaint(in_depth(radiograph(), np.uint16), dead, 10) / 65535).max() < 1e-3


def test_pixels_outside_the_mask_keep_their_exact_levels():
    for dtype, shape in product(DTYPES, [(40, 50), (40, 50, 3)]):
        image, dead = random_picture(dtype, shape), columns((40, 50), slice(0, 2), slice(20, 26))
        found = inpaint(image, dead, 4)
        assert found.dtype == dtype, (dtype, shape)
        assert np.array_equal(found[~dead], image[~dead]), (dtype, shape)
        assert not np.array_equal(found[dead], image[dead]), (dtype, shape)


@pytest.mark.parametrize("band", [np.s_[:, :3], np.s_[:, -2:], np.s_[:1], np.s_[-3:], np.s_[:, 20:26]])
def test_a_constant_image_is_restored_up_to_its_borders(band):
    for dtype, radius_px in product(DTYPES, [1, 20]):
        constant = np.full((30, 40), 0.75 * FULL[dtype]).astype(dtype)
        damaged, dead = constant.copy(), np.zeros((30, 40), bool)
        damaged[band], dead[band] = 0, True
        assert np.allclose(inpaint(damaged, dead, radius_px), constant, rtol=1e-6, atol=0), (dtype, radius_px)


def test_a_picture_of_one_line_is_filled_in_from_its_own_levels():
    for shape, dtype in product([(1, 30), (30, 1), (2, 30), (30, 2), (1, 30, 3)], DTYPES):
        image, dead = random_picture(dtype, shape), np.zeros(shape[:2], bool)
        dead.flat[[4, 5, 12, -1]] = True
        found = inpaint(image, dead, 5)
        assert found[dead].min() >= image[~dead].min(), (shape, dtype)
        assert found[dead].max() <= image[~dead].max(), (shape, dtype)
        for _ in range(5):
            assert np.array_equal(inpaint(image.copy(), dead, 5), found), (shape, dtype)


def test_white_floats_stay_within_their_range():
    image = np.full((20, 30), 1, np.float32)
    assert (inpaint(image, columns((20, 30), slice(9, 15)), 7) == 1).all()


def test_repaired_columns_are_much_closer_to_the_truth_than_dead_ones():
    for dtype, shape in product(DTYPES, [(60, 80), (60, 80, 3)]):
        truth = in_depth(radiograph(), dtype)
        truth = truth if len(shape) == 2 else np.dstack([truth] * 3)
        dead = columns((60, 80), slice(15, 18), slice(44, 50))
        damaged = truth.copy()
        damaged[dead] = 0
        error = np.abs(damaged.astype(np.float64) - truth)[dead].mean()
        repaired = np.abs(inpaint(damaged, dead, 20).astype(np.float64) - truth)[dead].mean()
        assert repaired < 0.1 * error, (dtype, shape)


def test_sixteen_bits_keep_more_levels_than_eight():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    dead = columns((256, 256), slice(100, 104))
    found = inpaint(np.where(dead, np.uint16(0), ramp), dead, 3)
    assert len(np.unique(found[dead])) > 256
    assert len(np.unique(found)) > 60000


def test_an_empty_mask_changes_nothing():
    for shape, dtype in product([(1, 1), (1, 9), (9, 1), (7, 5), (7, 5, 3)], DTYPES):
        image = random_picture(dtype, shape)
        assert np.array_equal(inpaint(image, np.zeros(shape[:2], bool), 20), image), (shape, dtype)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (7, 5, 3)])
def test_an_image_of_dead_pixels_only_is_refused(shape):
    with pytest.raises(UnreadableImageError, match="every pixel is dead"):
        inpaint(random_picture(np.uint8, shape), np.ones(shape[:2], bool), 20)


def test_neither_image_nor_mask_is_changed():
    for dtype in DTYPES:
        image, dead = random_picture(dtype), columns((40, 50), slice(20, 26))
        before = image.copy(), dead.copy()
        inpaint(image, dead, 3)
        assert np.array_equal(image, before[0]), dtype
        assert np.array_equal(dead, before[1]), dtype


def test_dead_pixels_are_those_that_hardly_answer_to_x_rays():
    on, off = np.full((6, 5), 0.6), np.full((6, 5), 0.1)
    on[:, 2] = 0.12
    on[4, 4] = off[4, 4] = 1
    expected = columns((6, 5), slice(2, 3))
    expected[4, 4] = True
    assert np.array_equal(dead_pixel_mask(on, off), expected)
    assert np.array_equal(dead_pixel_mask(on, off, threshold=255 * 0.01), expected & (on == 1))


def test_a_threshold_under_every_answer_finds_nothing_dead():
    assert not dead_pixel_mask(np.full((3, 4), 0.6), np.full((3, 4), 0.1), threshold=20).any()


@pytest.mark.parametrize("threshold", [None, 10.0])
@pytest.mark.parametrize(("on", "off"), [(0.1, 0.6), (0.3, 0.3)], ids=["swapped", "equal"])
def test_frames_in_which_nothing_answers_are_refused(on, off, threshold):
    with pytest.raises(InputError, match="every pixel would be dead; are the two swapped"):
        dead_pixel_mask(np.full((3, 4), on), np.full((3, 4), off), threshold)


def test_a_threshold_above_every_answer_is_refused():
    with pytest.raises(InputError, match=r"brighter .* by 127\.5 levels at most.*is the threshold too high"):
        dead_pixel_mask(np.full((3, 4), 0.6), np.full((3, 4), 0.1), threshold=130)


def test_noise_alone_is_not_parted_into_dead_and_live():
    noisy = np.random.default_rng(0).normal(0.6, 0.03, (50, 60))
    with pytest.raises(InputError, match="too close for dead and live pixels; give `threshold`"):
        dead_pixel_mask(noisy, np.zeros((50, 60)))


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(InputError, match=r"exposure_on has 4 × 3 px .*, exposure_off 5 × 3 px"):
        dead_pixel_mask(np.ones((3, 4)), np.zeros((3, 5)))


def test_calibration_images_give_the_dead_columns(calibration):
    fitted = Inpainting(**calibration).fit([])
    assert np.array_equal(fitted.state()["dead"], DEAD_COLUMNS)


def test_a_line_detector_repeats_its_dead_columns_over_any_height(calibration):
    fitted = Inpainting(**calibration, detector="line", radius_px=3).fit([])
    for height in (1, 30, 77):
        image = random_picture(np.uint16, (height, 40))
        expected = inpaint(image, np.repeat(DEAD_COLUMNS[:1], height, axis=0), 3)
        assert np.array_equal(fitted.apply(image), expected)


@pytest.mark.parametrize("height", [1, 30])
def test_a_mask_file_of_dead_columns_serves_a_line_detector(tmp_path, height):
    path = save(tmp_path / "mask.png", 255 * DEAD_COLUMNS[:height].astype(np.uint8))
    fitted = Inpainting(mask=path, detector="line").fit([])
    assert np.array_equal(fitted.state()["dead"], DEAD_COLUMNS[:1])
    assert fitted.apply(random_picture(np.uint8, (64, 40, 3))).shape == (64, 40, 3)


def test_a_mask_file_whose_rows_differ_is_none_of_a_line_detector(tmp_path):
    spot = np.zeros((30, 40), np.uint8)
    spot[3:5, 6:8] = 255
    path = save(tmp_path / "mask.png", spot)
    assert np.array_equal(Inpainting(mask=path).fit([]).state()["dead"], spot > 0)
    with pytest.raises(InputError, match=r"mask\.png: its rows differ.*area"):
        Inpainting(mask=path, detector="line").fit([])


def test_a_mask_file_that_marks_everything_is_refused(tmp_path):
    path = save(tmp_path / "mask.png", np.full((4, 5), 255, np.uint8))
    with pytest.raises(InputError, match=r"mask\.png: every pixel is marked as dead"):
        Inpainting(mask=path).fit([])


def test_an_image_of_another_size_than_the_mask_is_refused_with_both(calibration):
    fitted = Inpainting(**calibration).fit([])
    for shape in ((29, 40), (30, 41, 3)):
        sizes = rf"{shape[1]} × {shape[0]} px.*, but the mask of dead pixels has 40 × 30 px"
        with pytest.raises(UnreadableImageError, match=sizes):
            fitted.apply(random_picture(np.uint8, shape))


@pytest.mark.parametrize(
    ("chosen", "given"),
    [
        ({}, "none of them"),
        ({"threshold": 0.0}, "threshold"),
        ({"mask": "m.png", "exposure_on": "a.png", "exposure_off": "b.png"}, "mask, exposure_on, exposure_off"),
        ({"mask": "m.png", "threshold": 3.0}, "mask, threshold"),
        ({"exposure_on": "a.png"}, "exposure_on"),
    ],
)
def test_it_must_be_told_what_is_dead_in_one_way(chosen, given):
    with pytest.raises(RecipeError, match=f"given: {given}\\. Or take the step out"):
        Inpainting(**chosen).fit([])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UnreadableImageError, match=re.escape("nowhere/mask.png")):
        Inpainting(mask="nowhere/mask.png").fit([])


def test_the_mask_travels_without_its_files(calibration):
    fresh = Pipeline((Inpainting(**calibration, radius_px=5),))
    fitted = fresh.fit([])
    for path in calibration.values():
        Path(path).unlink()
    image = random_picture(np.uint16, (30, 40))
    again = fresh.with_state(fitted.state())
    assert np.array_equal(again.steps[0].apply(image), inpaint(image, DEAD_COLUMNS, 5))


def test_a_step_that_is_not_fitted_says_so():
    with pytest.raises(RecipeError, match="fit the pipeline first"):
        Inpainting(mask="mask.png").apply(random_picture(np.uint8))

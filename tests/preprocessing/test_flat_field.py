"""Flat-field correction against its formula and against a simulated detector."""

from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from urushi.catalogue import options
from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.flat_field import FlatField, flat_field

DTYPES = (np.uint8, np.uint16, np.float32)
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
RANDOM = np.random.default_rng(4)
BRIGHT = RANDOM.uniform(0.5, 0.9, (12, 17))
DARK = RANDOM.uniform(0.0, 0.2, (12, 17))
NOTHING = np.zeros((12, 17))


def in_depth(levels: np.ndarray, dtype: Any) -> np.ndarray:
    return (levels * FULL[dtype]).round().astype(dtype) if dtype is not np.float32 else levels.astype(dtype)


def save(path: Path, levels: np.ndarray) -> str:
    assert cv2.imwrite(str(path), in_depth(levels, np.uint16))
    return str(path)


def test_the_correction_follows_its_formula():
    for level, shape, dtype in product([255, 200.5], [(12, 17), (12, 17, 3)], DTYPES):
        image = in_depth(RANDOM.random(shape), dtype)
        bright, dark = (BRIGHT, DARK) if len(shape) == 2 else (BRIGHT[..., None], DARK[..., None])
        exact = (image / FULL[dtype] - dark) / (bright - dark) * level / 255
        found = flat_field(image, BRIGHT, DARK, level)
        rounding = 1e-6 if dtype is np.float32 else 0.5001
        assert found.dtype == dtype, (level, shape, dtype)
        assert np.abs(found - np.clip(exact, 0, 1) * FULL[dtype]).max() <= rounding, (level, shape, dtype)


def test_the_pattern_of_the_detector_is_gone():
    for dtype in DTYPES:
        transmission = np.linspace(0.1, 1, 17) * np.ones((12, 1))
        found = flat_field(in_depth(DARK + transmission * (BRIGHT - DARK), dtype), BRIGHT, DARK)
        assert np.abs(found / FULL[dtype] - transmission).max() < (0.01 if dtype is np.uint8 else 1e-4), dtype


def test_open_beam_becomes_its_level_and_darkness_zero():
    for dtype in DTYPES:
        bright = in_depth(BRIGHT, dtype)
        assert np.allclose(flat_field(bright, bright / FULL[dtype], NOTHING, 51), FULL[dtype] / 5), dtype
        assert not flat_field(in_depth(DARK, dtype), BRIGHT, in_depth(DARK, dtype) / FULL[dtype]).any(), dtype


def test_dead_pixels_become_zero_whatever_they_show():
    for dtype, shape in product(DTYPES, [(12, 17), (12, 17, 3)]):
        bright = BRIGHT.copy()
        bright[:, 5] = DARK[:, 5]  # equal
        bright[3, 9] = DARK[3, 9] / 2  # below
        dead = bright <= DARK
        for level in (0, FULL[dtype]):
            assert not flat_field(np.full(shape, level, dtype), bright, DARK)[dead].any(), (dtype, shape)
        assert flat_field(np.full(shape, FULL[dtype], dtype), bright, DARK)[~dead].all(), (dtype, shape)


def test_sixteen_bits_keep_more_levels_than_eight():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(flat_field(ramp, np.full((256, 256), 0.9), np.full((256, 256), 0.1)))) > 50000


def test_no_array_that_came_is_changed():
    for dtype in DTYPES:
        arrays = in_depth(RANDOM.random((12, 17)), dtype), BRIGHT.copy(), DARK.copy()
        before = [array.copy() for array in arrays]
        flat_field(*arrays)
        assert all(np.array_equal(*pair) for pair in zip(arrays, before, strict=True)), dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_area_detector_takes_frames_of_the_size_of_the_image(tmp_path, dtype):
    step = FlatField(bright=save(tmp_path / "b.png", BRIGHT), dark=save(tmp_path / "d.png", DARK))
    image = in_depth(RANDOM.random((12, 17)), dtype)
    found, expected = step.fit([]).apply(image), flat_field(image, BRIGHT, DARK)
    assert np.allclose(found / FULL[dtype], expected / FULL[dtype], atol=0.005 if dtype is np.uint8 else 2e-4)


@pytest.mark.parametrize("height", [1, 12, 40])
def test_a_line_detector_averages_its_lines_and_serves_any_height(tmp_path, height):
    lines = BRIGHT[:1] + RANDOM.normal(0, 0.01, (400, 17))
    step = FlatField(bright=save(tmp_path / "b.png", lines), dark=save(tmp_path / "d.png", DARK[:1]), detector="line")
    # 400 lines of a bright image stand beside one line of a dark one
    image = in_depth(RANDOM.random((height, 17)), np.uint16)
    expected = flat_field(image, np.repeat(BRIGHT[:1], height, 0), np.repeat(DARK[:1], height, 0)) / 65535
    assert np.abs(step.fit([]).apply(image) / 65535 - expected).max() < 0.006


def test_without_a_dark_frame_darkness_is_zero(tmp_path):
    image = in_depth(RANDOM.random((12, 17)), np.uint16)
    found = FlatField(bright=save(tmp_path / "b.png", BRIGHT)).fit([]).apply(image)
    assert np.abs(found.astype(int) - flat_field(image, BRIGHT, NOTHING)).max() <= 3


def test_the_open_beam_gets_the_level_that_was_asked_for(tmp_path):
    step = FlatField(bright=save(tmp_path / "b.png", BRIGHT), open_beam_level=204)
    assert np.abs(step.fit([]).apply(in_depth(BRIGHT, np.uint16)) / 65535 - 0.8).max() < 1e-4


def test_an_image_of_another_size_is_refused_with_both(tmp_path):
    fitted = FlatField(bright=save(tmp_path / "b.png", BRIGHT)).fit([])
    with pytest.raises(UnreadableImageError, match=r"12 × 17 px .*, but the flat-field calibration has 17 × 12 px"):
        fitted.apply(np.zeros((17, 12), np.uint8))
    line = FlatField(bright=save(tmp_path / "b.png", BRIGHT), detector="line").fit([])
    with pytest.raises(UnreadableImageError, match=r"18 × 12 px .*, but the flat-field calibration has 17 × 1 px"):
        line.apply(np.zeros((12, 18), np.uint8))


@pytest.mark.parametrize(
    ("bright", "dark", "message"),
    [
        (BRIGHT, DARK[:5], r"`bright` has 17 × 12 px .*, `dark` 17 × 5 px"),
        (DARK, BRIGHT, "nowhere brighter than `dark`; are the two swapped"),
        (NOTHING, NOTHING, "nowhere brighter"),
    ],
    ids=["sizes", "swapped", "equal"],
)
def test_frames_that_do_not_go_together_are_refused(tmp_path, bright, dark, message):
    step = FlatField(bright=save(tmp_path / "b.png", bright), dark=save(tmp_path / "d.png", dark))
    with pytest.raises(InputError, match=message):
        step.fit([])


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over 0…40"):
        flat_field(np.linspace(0, 40, 12 * 17, dtype=np.float32).reshape(12, 17), BRIGHT, DARK)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UnreadableImageError, match=r"nowhere\.png"):
        FlatField(bright="nowhere.png").fit([])


def test_the_open_beam_must_be_given():
    with pytest.raises(RecipeError, match="bright"):
        options.build(FlatField, {}, "preprocessing.flat_field")


def test_a_step_that_is_not_fitted_says_so():
    with pytest.raises(RecipeError, match="fit the pipeline first"):
        FlatField(bright="b.png").apply(np.zeros((3, 3), np.uint8))


@pytest.mark.parametrize("detector", ["area", "line"])
def test_the_frames_travel_without_their_files(tmp_path, detector):
    paths = {"bright": save(tmp_path / "b.png", BRIGHT), "dark": save(tmp_path / "d.png", DARK)}
    fresh = Pipeline((FlatField(**paths, detector=detector),))
    fitted = fresh.fit([])
    for path in paths.values():
        Path(path).unlink()
    image = in_depth(RANDOM.random((12, 17)), np.uint16)
    again = fresh.with_state(fitted.state())
    assert np.array_equal(again.steps[0].apply(image), fitted.steps[0].apply(image))
    assert fitted.steps[0].apply(image).any()

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.catalogue import options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.contrast_stretching import ContrastStretching, contrast_stretching
from urushi.recipe import Recipe, parse_setting

TOML = """
[[preprocessing]]
name = "contrast_stretching"
knots = [[30, 0], [140, 255]]
[[preprocessing]]
name = "scale"
[model]
name = "autoencoder"
[score]
name = "squared_error"
"""
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def picture(dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    return (np.random.default_rng(5).random(shape) * FULL[dtype]).astype(dtype)


def stretched(level: float, r1: float, s1: float, r2: float, s2: float) -> float:
    """S2 eq. 5.1 as it is printed."""
    if level <= r1:
        return s1 / r1 * level
    if level <= r2:
        return (s2 - s1) / (r2 - r1) * (level - r1) + s1
    return (255 - s2) / (255 - r2) * (level - r2) + s2


@pytest.mark.parametrize("knots", [((30, 0), (140, 255)), ((12.5, 40), (200, 41)), ((100, 100), (101, 200))])
def test_two_knots_follow_the_printed_equation(knots):
    for shape, dtype in product([(9, 14), (9, 14, 3)], FULL):
        image = picture(dtype, shape)
        found = contrast_stretching(image, knots)
        expected = np.vectorize(stretched)(image / FULL[dtype] * 255, *knots[0], *knots[1]) / 255 * FULL[dtype]
        assert found.dtype == dtype, (shape, dtype)
        assert np.abs(found - expected).max() <= (1e-6 if dtype is np.float32 else 0.5 + 1e-6), (shape, dtype)


@given(st.lists(st.tuples(st.integers(1, 254), st.integers(0, 255)), min_size=1, max_size=6, unique_by=lambda k: k[0]))
def test_any_number_of_knots_follows_numpy_interpolation(knots):
    r, s = sorted(k[0] for k in knots), sorted(k[1] for k in knots)
    found = contrast_stretching(LEVELS, list(zip(r, s, strict=True)))
    expected = np.interp(LEVELS, [0, *r, 255], [0, *s, 255])
    assert np.abs(found - expected).max() <= 0.5 + 1e-9


def test_two_knots_at_one_level_are_a_threshold_that_keeps_the_level_itself_dark():
    for dtype, threshold in product([np.uint8, np.uint16], [0, 1, 100, 254]):
        every_level = np.arange(FULL[dtype] + 1, dtype=dtype)[None]
        found = contrast_stretching(every_level, [[threshold, 0], [threshold, 255]])
        expected = np.where(every_level <= threshold * (FULL[dtype] // 255), 0, found.max())
        assert np.array_equal(found, expected), (dtype, threshold)
        assert found[0, threshold * (FULL[dtype] // 255) + 1] > 0, (dtype, threshold)


def test_a_threshold_between_knots_is_black_or_white():
    found = contrast_stretching(LEVELS, [(127, 0), (127, 255)])
    assert np.array_equal(found, np.where(LEVELS <= 127, 0, 255))


def test_at_a_step_of_three_knots_the_lowest_counts():
    found = contrast_stretching(LEVELS, [(100, 50), (100, 90), (100, 200)]).ravel()
    assert found[100] == 50
    assert 200 <= found[101] <= 201


def test_the_ends_can_be_set():
    found = contrast_stretching(LEVELS, [(0, 50), (255, 200)]).ravel()
    assert (found[0], found[255]) == (50, 200)


def test_the_diagonal_changes_nothing():
    for dtype in FULL:
        image = picture(dtype, (8, 9, 3))
        found = contrast_stretching(image, [(85, 85)])
        assert np.abs(found.astype(np.float64) - image).max() <= (1e-7 if dtype is np.float32 else 0), dtype


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(contrast_stretching(ramp, [(30, 0), (140, 255)]))) > 28000


def test_the_callers_image_is_left_alone_whatever_its_memory():
    image = picture(np.uint8, (10, 12, 3))
    before = image.copy()
    image.flags.writeable = False
    for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
        assert np.array_equal(contrast_stretching(view, [(30, 0)]), contrast_stretching(view.copy(), [(30, 0)]))
    assert np.array_equal(image, before)


def test_black_and_white_single_pixels_stay():
    for level in [0, 255]:
        assert contrast_stretching(np.full((1, 1), level, np.uint8), [(30, 0), (140, 255)]) == level, level


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over -3…7.*`min_max`"):
        contrast_stretching(np.array([[-3, 7]], np.float32), [(30, 0)])


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ([[140, 0], [30, 255]], "sort them"),
        ([[30, 200], [140, 100]], "neither level may fall"),
        ([[30, 256]], r"pair .* in 0…255"),
        ([[-1, 0]], r"pair .* in 0…255"),
        ([[float("nan"), 0]], r"pair .* in 0…255"),
        ([[1, 2, 3]], r"\[\[1.*3.*\]\]: each one is a pair"),
        ([30, 140], r"knots\.0 = 30"),
        ([], "at least 1"),
        ("30", "knots = '30'"),
    ],
)
def test_wrong_knots_are_refused(knots, message):
    with pytest.raises(RecipeError, match=message) as caught:
        options.build(ContrastStretching, {"knots": knots}, "preprocessing.contrast_stretching")
    assert str(caught.value).startswith("preprocessing.contrast_stretching.knots")


def test_knots_come_from_toml_and_from_the_command_line():
    recipe = Recipe.from_toml(TOML)
    assert Pipeline.of(recipe).steps[0] == ContrastStretching(knots=[[30, 0], [140, 255]])
    setting = parse_setting("preprocessing.contrast_stretching.knots=[[12, 0], [140.5, 255]]")
    again = Recipe.from_toml(recipe.with_settings(dict([setting])).to_toml())
    assert Pipeline.of(again).steps[0] == ContrastStretching(knots=[[12, 0], [140.5, 255]])

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from urushi.augmentation import Augmentation, Drawn, rng_for
from urushi.errors import InputError, RecipeError
from urushi.recipe import Augmentation as Section
from urushi.recipe import Part, Recipe

ALL = (
    ("rotation", {}),
    ("translation", {}),
    ("elastic", {"sigma_px": 6.0, "alpha_px": 1.5}),
    ("scaling", {}),
    ("flip", {}),
    ("perspective", {"share": 0.05}),
    ("shear", {}),
)


def test_what_was_drawn_comes_back_from_json_and_gives_the_same_pixels(sequence, smooth):
    augmentation, image = sequence(*ALL), smooth((40, 56), np.uint16)
    for seed in range(20):
        drawn = augmentation.draw(rng_for(seed, 0, 0), image.shape)
        text = json.dumps(drawn.to_json(), allow_nan=False)
        again = Drawn.from_json(json.loads(text))
        assert again == drawn
        assert len(text) < 1000
        np.testing.assert_array_equal(augmentation.apply(image, again), augmentation.apply(image, drawn))


def test_parameters_alone_say_what_is_done_without_the_options(sequence, smooth):
    image = smooth()
    drawn = sequence(*ALL).draw(rng_for(0, 0, 0), image.shape)
    np.testing.assert_array_equal(Augmentation().apply(image, drawn), sequence(*ALL).apply(image, drawn))


@pytest.mark.parametrize("names", [("rotation", "translation"), ("scaling", "elastic"), ("elastic", "rotation")])
def test_a_sequence_is_its_transforms_one_after_the_other_but_for_interpolation(names, sequence, smooth):
    augmentation = sequence(*[entry for name in names for entry in ALL if entry[0] == name])
    image = smooth((64, 64))
    for seed in range(5):
        drawn = augmentation.draw(rng_for(seed, 0, 0), image.shape)
        expected = image
        for step in drawn.steps:
            expected = augmentation.apply(expected, Drawn((step,)))
        inner = np.s_[18:-18, 18:-18]  # what the first transform brought in from beyond the edge is not the same
        at_once = augmentation.apply(image, drawn)
        assert np.abs(at_once - expected)[inner].max() < 0.03
        assert np.abs(at_once - image)[inner].max() > 0.05


def test_the_order_of_transforms_is_that_of_the_list(sequence):
    image = np.zeros((64, 64), np.float32)
    image[32, 48] = 1  # 16 right of the centre
    turn, shift = ("rotation", {"degrees": 90}), ("translation", {"x_share": 0.125, "y_share": 0})
    turned_first = Augmentation().apply(image, Drawn((turn, shift)))
    shifted_first = Augmentation().apply(image, Drawn((shift, turn)))
    assert np.argwhere(turned_first > 0.9).tolist() == [[15, 40]]
    assert np.argwhere(shifted_first > 0.9).tolist() == [[7, 32]]


def test_many_turns_in_a_row_lose_no_sharpness(sequence):
    image = np.random.default_rng(0).random((33, 33)).astype(np.float32)
    drawn = Drawn(tuple(("rotation", {"degrees": 36.0}) for _ in range(10)))
    np.testing.assert_allclose(Augmentation().apply(image, drawn), image, atol=1e-4)


# --- depth, channels, borders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", ["reflect", "edge", "constant"])
def test_every_channel_is_treated_as_a_grey_image_is(border, sequence, smooth):
    augmentation = sequence(*ALL, border=border, fill_level=40.0)
    drawn = augmentation.draw(rng_for(1, 0, 0), (20, 27))
    for dtype, n_channels in product([np.uint8, np.uint16, np.float32], [1, 2, 3, 4, 5, 9]):
        image = smooth((20, 27, n_channels), dtype)
        result = augmentation.apply(image, drawn)
        assert (result.dtype, result.shape) == (image.dtype, image.shape), (dtype, n_channels)
        for c in range(n_channels):
            alone = augmentation.apply(np.ascontiguousarray(image[..., c]), drawn)
            difference = np.abs(result[..., c].astype(float) - alone)
            assert difference.max() <= 1e-6 * float(image.max()), (dtype, n_channels, c)


def test_bits_of_depth_are_kept(sequence, smooth):
    for interpolation in ["bilinear", "bicubic"]:
        augmentation = sequence(("rotation", {}), interpolation=interpolation)
        image = smooth((64, 64), np.uint16)
        drawn = augmentation.draw(rng_for(0, 0, 0), image.shape)
        deep = augmentation.apply(image, drawn).astype(float)
        exact = augmentation.apply(image.astype(np.float32) / 65535, drawn) * 65535
        assert np.abs(deep - exact).max() < 2, interpolation
        assert len(np.unique(deep)) > 1000, interpolation


def test_floats_stay_in_the_range_of_the_image_and_the_fill(sequence):
    for border, interpolation in product(["reflect", "edge", "constant"], ["bilinear", "bicubic"]):
        image = (0.3 + 0.4 * (np.random.default_rng(0).random((32, 32, 3)) > 0.5)).astype(np.float32)
        augmentation = sequence(*ALL, border=border, interpolation=interpolation, fill_level=0.0)
        for seed in range(10):
            result = augmentation.apply(image, augmentation.draw(rng_for(seed, 0, 0), (32, 32)))
            assert result.max() <= image.max(), (border, interpolation)
            assert result.min() >= (0 if border == "constant" else image.min()), (border, interpolation)


@pytest.mark.parametrize(("dtype", "level"), [(np.uint8, 51), (np.uint16, 13107), (np.float32, 0.2)])
def test_the_fill_level_is_on_the_8_bit_scale_whatever_the_depth(dtype, level):
    shift = Drawn((("translation", {"x_share": 0.5, "y_share": 0}),))
    image = np.full((8, 8), 255 if dtype == np.uint8 else 1).astype(dtype)
    moved = Augmentation((), "constant", 51.0).apply(image, shift)
    np.testing.assert_allclose(moved[:, :4], level, rtol=1e-6)
    np.testing.assert_array_equal(moved[:, 4:], image[:, 4:])


def test_borders_are_mirrored_repeated_or_filled():
    row = np.tile(np.arange(1, 9, dtype=np.uint8), (2, 1))
    shift = Drawn((("translation", {"x_share": 0.25, "y_share": 0}),))
    shown = {b: Augmentation((), b, 99.0).apply(row, shift)[0].tolist() for b in ("reflect", "edge", "constant")}
    assert shown["reflect"] == [3, 2, 1, 2, 3, 4, 5, 6]
    assert shown["edge"] == [1, 1, 1, 2, 3, 4, 5, 6]
    assert shown["constant"] == [99, 99, 1, 2, 3, 4, 5, 6]


def test_bicubic_keeps_fine_texture_that_bilinear_blurs():
    image = gaussian_filter(np.random.default_rng(0).random((96, 96)), 1).astype(np.float32)
    drawn = Drawn((("rotation", {"degrees": 10.0}),))
    c, s = np.cos(np.deg2rad(10)), np.sin(np.deg2rad(10))
    y, x = np.mgrid[:96, :96] - 47.5
    exact = map_coordinates(image, (s * x + c * y + 47.5, c * x - s * y + 47.5), order=5, mode="mirror")
    error = {i: Augmentation((), "reflect", 0, i).apply(image, drawn) - exact for i in ("bilinear", "bicubic")}
    assert np.abs(error["bicubic"][8:-8, 8:-8]).mean() < 0.4 * np.abs(error["bilinear"][8:-8, 8:-8]).mean()


def test_the_image_given_is_neither_changed_nor_given_back(sequence, smooth):
    for dtype in [np.uint8, np.float32]:
        image = smooth((48, 48), dtype)
        before = image.copy()
        for augmentation in (sequence(), sequence(*ALL)):
            result = augmentation.apply(image, augmentation.draw(rng_for(0, 0, 0), image.shape))
            assert not np.shares_memory(result, image), dtype
        np.testing.assert_array_equal(image, before)


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", ["reflect", "edge", "constant"])
def test_a_mask_follows_its_image(border, sequence):
    square = np.zeros((96, 96), np.float32)
    square[10:50, 50:90] = 1
    augmentation = sequence(*ALL, border=border)
    for seed in range(20):
        drawn = augmentation.draw(rng_for(seed, 0, 0), square.shape)
        seen, mask = augmentation.apply(square, drawn) > 0.5, augmentation.apply_mask(square > 0, drawn)
        assert mask.dtype == bool
        assert (seen & mask).sum() / (seen | mask).sum() > 0.95


def test_beyond_a_constant_border_there_is_no_defect():
    drawn = Drawn((("scaling", {"factor": 0.5}),))
    everywhere = np.ones((40, 40), bool)
    assert Augmentation((), "constant", 255.0).apply_mask(everywhere, drawn).sum() == 400
    assert Augmentation((), "reflect").apply_mask(everywhere, drawn).all()  # what is mirrored is as defective


def test_a_pixel_is_defective_if_more_than_half_of_it_is():
    mask = np.zeros((1, 10), np.uint8)
    mask[0, 5] = 255
    widths = {
        share: Augmentation().apply_mask(mask, Drawn((("translation", {"x_share": share, "y_share": 0}),)))[0]
        for share in (0.04, 0.06)
    }
    assert np.flatnonzero(widths[0.04]).tolist() == [5]
    assert np.flatnonzero(widths[0.06]).tolist() == [6]


def test_an_empty_mask_stays_empty(sequence):
    augmentation = sequence(*ALL)
    assert not augmentation.apply_mask(np.zeros((20, 20)), augmentation.draw(rng_for(0, 0, 0), (20, 20))).any()


# --- drawing ----------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1))
def test_each_transform_is_done_with_its_probability(probability):
    parts = (Part(name="rotation", probability=probability), Part(name="flip", probability=1 - probability))
    augmentation = Augmentation.of(Section(transforms=parts))
    names = [name for i in range(200) for name, _ in augmentation.draw(rng_for(0, 0, i), (8, 8)).steps]
    assert names.count("rotation") / 200 == pytest.approx(probability, abs=0.18)
    assert names.count("flip") / 200 == pytest.approx(1 - probability, abs=0.18)


def test_the_same_transform_may_be_done_twice(sequence):
    drawn = sequence(("flip", {}), ("elastic", {"alpha_px": 1.0}), ("elastic", {"alpha_px": 2.0})).draw(
        rng_for(0, 0, 0), (20, 20)
    )
    assert [name for name, _ in drawn.steps] == ["flip", "elastic", "elastic"]
    assert [parameters.get("alpha_px") for _, parameters in drawn.steps] == [None, 1.0, 2.0]


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_an_unknown_transform_or_option_is_named_with_what_there_is(sequence):
    with pytest.raises(RecipeError, match="no 'rotatoin'; did you mean 'rotation'"):
        sequence(("rotatoin", {}))
    with pytest.raises(RecipeError, match=r"augmentation\.rotation\.degrees is unknown"):
        sequence(("rotation", {"degrees": 10.0}))
    with pytest.raises(RecipeError, match=r"augmentation\.translation\.horizontal_share = 3"):
        sequence(("translation", {"horizontal_share": 3}))


def test_the_section_of_a_recipe_becomes_its_augmentation():
    settings = {
        "augmentation.transforms": [{"name": "rotation"}, {"name": "half_turn", "probability": 1.0}],
        "augmentation.border": "constant",
        "augmentation.fill_level": 12,
        "augmentation.interpolation": "bicubic",
    }
    augmentation = Augmentation.of(Recipe.find("default").with_settings(settings).augmentation)
    assert [type(transform).__name__ for transform in augmentation.transforms] == ["Rotation", "HalfTurn"]
    assert (augmentation.border, augmentation.fill_level, augmentation.interpolation) == ("constant", 12, "bicubic")


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4)), np.zeros((4, 4), np.int32), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)],
    ids=["float64", "int32", "a line", "no pixels"],
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InputError, match="augmentation takes"):
        Augmentation().apply(image, Drawn())


def test_an_image_too_long_for_opencv_is_refused():
    with pytest.raises(InputError, match="up to 32766 px"):
        Augmentation().apply(np.zeros((2, 40000), np.uint8), Drawn())


@pytest.mark.parametrize(
    "data",
    [
        {},
        [3],
        [{"degrees": 3}],
        [{"name": "rotation", "degrees": "3"}],
        [{"name": "rotation", "degrees": float("nan")}],
        [{"name": "swirl"}],
    ],
)
def test_json_that_was_never_drawn_is_refused(data):
    with pytest.raises(InputError):
        Drawn.from_json(data)


def test_missing_parameters_are_named():
    with pytest.raises(InputError, match="'translation' lack 'y_share'"):
        Augmentation().apply(np.zeros((4, 4), np.uint8), Drawn((("translation", {"x_share": 0.1}),)))

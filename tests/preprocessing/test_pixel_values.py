"""Grey, RGB, scaling and min-max: each against its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urushi.errors import UnreadableImageError
from urushi.preprocessing.grey import grey
from urushi.preprocessing.min_max import min_max
from urushi.preprocessing.rgb import rgb
from urushi.preprocessing.scale import scale

RANDOM = np.random.default_rng(3)
COLOUR = {
    "uint8": RANDOM.integers(0, 256, (13, 17, 3)).astype(np.uint8),
    "uint16": RANDOM.integers(0, 65536, (13, 17, 3)).astype(np.uint16),
    "float32": RANDOM.random((13, 17, 3), np.float32),
}
GREY = {name: np.ascontiguousarray(image[..., 1]) for name, image in COLOUR.items()}
EVERYTHING = {**{f"grey-{k}": v for k, v in GREY.items()}, **{f"colour-{k}": v for k, v in COLOUR.items()}}

shapes = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))
)
whole = shapes.flatmap(lambda shape: st.sampled_from([np.uint8, np.uint16]).flatmap(lambda kind: arrays(kind, shape)))
fractions = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
any_floats = shapes.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-(2.0**100), 2.0**100, width=32))
)


def test_grey_weighs_colours_as_bt601_does():
    for name in COLOUR:
        image = COLOUR[name]
        expected = image.astype(np.float64) @ [0.299, 0.587, 0.114]
        found = grey(image)
        assert found.dtype == image.dtype, name
        assert found.shape == image.shape[:2], name
        assert np.abs(found - expected).max() <= {"uint8": 1, "uint16": 2, "float32": 1e-6}[name], name  # fixed point


def test_grey_leaves_grey_alone():
    for name in GREY:
        assert np.array_equal(grey(GREY[name]), GREY[name]), name


def test_grey_undoes_rgb():
    for name in GREY:
        image = GREY[name]
        assert np.allclose(grey(rgb(image)), image, rtol=0, atol=1e-6 if name == "float32" else 0), name


def test_rgb_gives_three_equal_channels_of_the_same_depth():
    for name in GREY:
        found = rgb(GREY[name])
        assert found.dtype == GREY[name].dtype, name
        assert np.array_equal(found, np.stack([GREY[name]] * 3, axis=-1)), name


def test_rgb_leaves_colour_alone():
    for name in COLOUR:
        assert np.array_equal(rgb(COLOUR[name]), COLOUR[name]), name


@given(whole)
def test_scale_divides_by_the_range_of_the_type(image):
    found = scale(image)
    assert found.dtype == np.float32
    assert np.allclose(found, image.astype(np.float64) / np.iinfo(image.dtype).max, rtol=0, atol=1e-7)
    assert np.array_equal((found * np.float64(np.iinfo(image.dtype).max)).round(), image)  # nothing is lost


@given(fractions)
def test_scale_leaves_floats_between_zero_and_one_alone(image):
    assert np.array_equal(scale(image), image)


@pytest.mark.parametrize(("low", "high"), [(-0.01, 1), (0, 1.01), (0, 255)])
def test_scale_refuses_other_floats_and_says_what_to_do(low, high):
    image = np.linspace(low, high, 12, dtype=np.float32).reshape(3, 4)
    with pytest.raises(UnreadableImageError, match=rf"range over {low:g}…{high:g}.*min_max") as caught:
        scale(image)
    assert "\n" not in caught.value.reason


@given(st.one_of(whole, any_floats))
def test_min_max_takes_the_darkest_to_zero_and_the_brightest_to_one(image):
    found = min_max(image)
    assert found.dtype == np.float32
    assert found.shape == image.shape
    wide = image.astype(np.float64)
    if wide.max() == wide.min():
        assert not found.any()
    else:
        assert np.allclose(found, (wide - wide.min()) / (wide.max() - wide.min()), rtol=0, atol=1e-6)
        assert found.min() == 0
        assert found.max() == 1


@given(st.integers(1, 200), st.integers(0, 55))
def test_min_max_does_not_see_exposure(gain, offset):
    dark = RANDOM.integers(0, 256, (6, 5)).astype(np.uint16)
    assert np.allclose(min_max(dark * np.uint16(gain) + np.uint16(offset)), min_max(dark), rtol=0, atol=1e-6)


def test_a_sixteen_bit_ramp_keeps_every_level():
    for step in [scale, min_max]:
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        assert len(np.unique(step(ramp))) == 65536, step


def test_the_image_that_came_is_not_changed():
    for step in [grey, rgb, min_max, scale]:
        for name in EVERYTHING:
            image = EVERYTHING[name]
            before = image.copy()
            step(image)
            assert np.array_equal(image, before), name

from itertools import product

import numpy as np
import pytest

from urushi.catalogue import options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.log_transform import LogTransform, log_transform
from urushi.preprocessing.scale import Scale

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...] = (11, 13)) -> np.ndarray:
    return (np.random.default_rng(7).uniform(0.01, 1, shape) * FULL[dtype]).astype(dtype)


@pytest.mark.parametrize(("open_beam_level", "max_attenuation"), [(255, 5.0), (200, 6.0), (128.5, 2.0)])
def test_it_follows_lambert_and_beer(open_beam_level, max_attenuation):
    for shape, dtype in product([(11, 13), (11, 13, 3)], FULL):
        image = picture(dtype, shape)
        attenuation = -np.log(image / (open_beam_level * FULL[dtype] / 255))
        expected = np.clip(attenuation / max_attenuation, 0, 1) * FULL[dtype]
        found = log_transform(image, open_beam_level, max_attenuation)
        assert found.dtype == dtype, (shape, dtype)
        assert np.abs(found - expected).max() <= (1e-6 if dtype is np.float32 else 0.5 + 1e-6), (shape, dtype)


def test_twice_the_thickness_is_twice_as_bright():
    thickness_mm = np.linspace(0, 30, 31)
    thin, thick = (np.exp(-0.05 * t)[None].astype(np.float32) for t in (thickness_mm, 2 * thickness_mm))
    assert np.allclose(log_transform(thick), 2 * log_transform(thin), atol=1e-6)


def test_no_intensity_saturates_and_the_open_beam_is_black():
    for dtype in FULL:
        image = np.array([[0, FULL[dtype]]], dtype)
        assert log_transform(image).tolist() == [[FULL[dtype], 0]], dtype
        assert log_transform(image, open_beam_level=100).tolist() == [[FULL[dtype], 0]], dtype


def test_from_the_greatest_attenuation_on_all_is_full_scale():
    image = np.exp(-np.array([[4.99, 5.01, 9]])).astype(np.float32)
    below, above, far_above = log_transform(image)[0]
    assert below < above == far_above == 1


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(log_transform(ramp))) > 20000


def test_eight_bits_scaled_first_keep_all_levels_but_the_two_darkest():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert len(np.unique(Pipeline((Scale(), LogTransform())).prepare(image).pixels)) == 255
    assert len(np.unique(log_transform(image))) < 160


def test_the_callers_image_is_left_alone_whatever_its_memory():
    for dtype in FULL:
        image = picture(dtype, (10, 12, 3))
        image.flags.writeable = False
        for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1], image[:1, :1]):
            assert np.array_equal(log_transform(view), log_transform(view.copy())), dtype
        assert np.array_equal(image, picture(dtype, (10, 12, 3))), dtype


def test_floats_that_are_no_levels_are_refused():
    with pytest.raises(UnreadableImageError, match=r"range over 0\.5…2.*`min_max`"):
        log_transform(np.array([[0.5, 2]], np.float32))


@pytest.mark.parametrize(
    "wrong", [{"open_beam_level": 0}, {"open_beam_level": 256}, {"max_attenuation": 0}, {"max_attenuation": "5"}]
)
def test_wrong_options_are_named(wrong):
    with pytest.raises(RecipeError, match=rf"preprocessing\.log_transform\.{next(iter(wrong))}"):
        options.build(LogTransform, wrong, "preprocessing.log_transform")

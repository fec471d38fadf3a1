from itertools import product

import numpy as np
import pytest

from urushi.errors import DatasetError, RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.midway_equalization import MidwayEqualization
from urushi.preprocessing.scale import Scale

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...], seed: int = 0, power: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) ** power * FULL[dtype]).astype(dtype)


def fitted(*training: np.ndarray) -> MidwayEqualization:
    return MidwayEqualization().fit(training)


def equalised(image: np.ndarray, training: list[np.ndarray]) -> np.ndarray:
    """One channel by eq. 5.8 and 5.10 in whole numbers, before rounding."""
    at_or_below = np.searchsorted(np.sort(image, axis=None), image, side="right")
    quantiles = [np.sort(one, axis=None)[-(-at_or_below * one.size // image.size) - 1] for one in training]
    return np.mean(quantiles, axis=0)


def test_grey_levels_follow_the_equation():
    for dtype, n in product([np.uint8, np.uint16], [1, 2, 3, 7]):
        training = [picture(dtype, (23, 31), seed, power=1 + seed / 2) for seed in range(n)]
        image = picture(dtype, (23, 31), 99, power=3)
        found = fitted(*training).apply(image)
        assert found.dtype == dtype, (dtype, n)
        assert np.abs(found - equalised(image, training)).max() <= 0.5 + 1e-2, (
            dtype,
            n,
        )  # φ is kept in single precision


def test_each_channel_is_equalised_by_its_own():
    training = [picture(np.uint8, (20, 21, 3), seed, power=1 + seed) for seed in range(3)]
    for image in training:
        image[..., 2] //= 4
    image = picture(np.uint8, (20, 21, 3), 99)
    found = fitted(*training).apply(image)
    for c in range(3):
        expected = equalised(image[..., c], [one[..., c] for one in training])
        assert np.abs(found[..., c] - expected).max() <= 0.51


def test_images_of_other_sizes_differ_at_few_pixels():
    training = [picture(np.uint16, (40, 70), seed, power=1 + seed) for seed in range(2)]
    image = picture(np.uint16, (31, 57), 99, power=3)
    is_off = np.abs(fitted(*training).apply(image) - equalised(image, training)) > 0.51
    assert is_off.mean() < 0.03  # where C(I) lies within 1/65536 above a step of another size's 1/2800


def test_images_without_equal_levels_come_to_one_histogram():
    training = [np.random.default_rng(seed).permutation(1000).astype(np.uint16)[:600] * 60 for seed in range(4)]
    training = [levels.reshape(20, 30) for levels in training]
    step = fitted(*training)
    histograms = [np.sort(step.apply(image), axis=None) for image in training]
    assert all(np.array_equal(histogram, histograms[0]) for histogram in histograms)
    assert np.abs(histograms[0] - np.mean([np.sort(one, axis=None) for one in training], axis=0)).max() <= 0.51


def test_equal_training_images_stay_as_they_are():
    for shape, dtype in product([(30, 41), (30, 41, 3)], FULL):
        image = picture(dtype, shape)
        found = fitted(image, image, image).apply(image)
        rounding = 0.51 / 65535 if dtype is np.float32 else 0
        assert np.abs(found.astype(np.float64) - image).max() <= rounding, (shape, dtype)


def test_two_levels_far_apart_are_not_blended():
    image = np.zeros((101, 101), np.uint8)
    image[:51] = 255  # C(0) lies between two of the shares that are kept
    assert np.array_equal(fitted(image).apply(image), image)


def test_one_fit_serves_images_of_any_depth():
    for dtype, training_dtype in product(FULL, FULL):
        training = [picture(training_dtype, (50, 50), seed) for seed in range(2)]
        found = fitted(*training).apply((picture(dtype, (50, 50), 2) * 0.5).astype(dtype))
        assert found.dtype == dtype, (dtype, training_dtype)
        expected = np.mean([np.sort(one, axis=None) / FULL[training_dtype] for one in training], axis=0)
        assert np.abs(np.sort(found, axis=None) / FULL[dtype] - expected).max() < 0.02, (
            dtype,
            training_dtype,
        )  # 8 bits have 20 pixels per level


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(np.unique(fitted(ramp, ramp // 2 + 1000).apply(ramp))) > 40000


def test_one_pass_over_the_images_is_enough_and_their_order_does_not_matter():
    training = [picture(np.uint8, (20, 20), seed, power=1 + seed) for seed in range(5)]
    once = MidwayEqualization().fit(iter(training)).state()["learnt"]
    assert np.allclose(once, fitted(*reversed(training)).state()["learnt"], atol=1e-6)


def test_what_is_stored_does_not_grow_with_the_images():
    small, large = fitted(*[np.zeros((2, 2), np.uint8)] * 2), fitted(*[np.zeros((300, 300), np.uint16)] * 9)
    assert small.state()["learnt"].nbytes == large.state()["learnt"].nbytes == 65536 * 4


def test_a_constant_image_takes_the_mean_of_the_brightest_levels():
    for level in [0, 7, 255]:
        step = fitted(np.array([[3, 9, 120]], np.uint8), np.array([[1, 1, 80]], np.uint8))
        assert (step.apply(np.full((4, 5), level, np.uint8)) == 100).all(), level
        assert step.apply(np.full((1, 1), level, np.uint8)) == 100, level


def test_a_rare_dark_spot_in_a_large_image_stays_the_darkest():
    image = picture(np.uint8, (400, 400)) // 2 + 100
    image[7, 7] = 0  # one pixel of 160 000 is less than a 65536th
    found = fitted(picture(np.uint8, (400, 400), 1)).apply(image)
    assert found[7, 7] == found.min()


def test_a_pipeline_equalises_alike_after_saving_and_loading():
    training = [picture(np.uint8, (20, 20, 3), seed, power=1 + seed) for seed in range(3)]
    fresh = Pipeline((MidwayEqualization(), Scale()))
    pipeline = fresh.fit(training)
    again = fresh.with_state({name: array.copy() for name, array in pipeline.state().items()})
    for image in training:
        assert np.array_equal(again.prepare(image).pixels, pipeline.prepare(image).pixels)
    assert not np.array_equal(pipeline.prepare(training[0]).pixels, Pipeline((Scale(),)).prepare(training[0]).pixels)


def test_it_must_be_fitted_first():
    with pytest.raises(RecipeError, match="`midway_equalization` learns from training images; fit the pipeline first"):
        MidwayEqualization().apply(np.zeros((2, 2), np.uint8))


def test_grey_and_colour_images_are_not_mixed():
    with pytest.raises(DatasetError, match="grey and colour training images come together; put `grey`"):
        fitted(np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match="it is grey, but `midway_equalization` was fitted to colour images"):
        fitted(np.zeros((2, 2, 3), np.uint8)).apply(np.zeros((2, 2), np.uint8))


def test_training_images_without_grey_levels_have_no_part():
    training = [np.full((2, 2), level, np.float32) for level in (9, 0.25, -4)]
    assert fitted(*training).apply(np.ones((1, 1), np.float32)) == pytest.approx(0.25, abs=1e-4)
    assert fitted(*training[::2]).state() == {}


def test_the_callers_image_is_left_alone_whatever_its_memory():
    image = picture(np.uint8, (10, 12, 3))
    image.flags.writeable = False
    for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
        step = fitted(view, picture(np.uint8, view.shape, 5))
        assert np.array_equal(step.apply(view), step.apply(view.copy()))
    assert np.array_equal(image, picture(np.uint8, (10, 12, 3)))

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.exposure import match_histograms

from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.grey import Grey
from urushi.preprocessing.histogram_matching import HistogramMatching
from urushi.preprocessing.min_max import MinMax
from urushi.preprocessing.scale import Scale

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


def picture(dtype: type, shape: tuple[int, ...], seed: int = 0, power: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) ** power * FULL[dtype]).astype(dtype)


def fitted(*training: np.ndarray) -> HistogramMatching:
    return HistogramMatching().fit(training)


def matched(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """One channel by eq. 5.7 and 5.8 in whole numbers: the smallest level with so many pixels at or below it."""
    at_or_below = np.searchsorted(np.sort(image, axis=None), image, side="right")
    return np.sort(reference, axis=None)[-(-at_or_below * reference.size // image.size) - 1]


def test_grey_levels_follow_the_equations():
    for size, dtype in product([(40, 31), (17, 60)], [np.uint8, np.uint16]):
        image, reference = picture(dtype, (40, 31), 1, power=3), picture(dtype, size, 2)
        found = fitted(reference).apply(image)
        assert found.dtype == dtype, (size, dtype)
        assert np.array_equal(found, matched(image, reference)), (size, dtype)


def test_each_channel_is_matched_to_its_own():
    for dtype in [np.uint8, np.uint16]:
        image, reference = picture(dtype, (20, 21, 3), 1, power=3), picture(dtype, (19, 30, 3), 2)
        reference[..., 1] //= 3
        found = fitted(reference).apply(image)
        assert all(np.array_equal(found[..., c], matched(image[..., c], reference[..., c])) for c in range(3)), dtype


def test_it_agrees_with_scikit_image():
    for shape, dtype in product([(90, 80), (90, 80, 3)], FULL):
        image, reference = picture(dtype, shape, 1, power=1.5), picture(dtype, shape, 2)
        expected = match_histograms(image, reference, channel_axis=-1 if len(shape) == 3 else None)
        found = fitted(reference).apply(image)
        gap = 2 / 255 if dtype is np.uint8 else 2e-3  # it interpolates between the levels that occur
        assert np.abs(found - expected.astype(np.float64)).max() <= gap * FULL[dtype], (shape, dtype)


@given(st.permutations(range(12)), st.permutations([0, 3, 3, 3, 90, 91, 200, 200, 255, 255, 255, 255]))
def test_an_image_without_equal_levels_takes_the_histogram_of_the_reference(source, target):
    image, reference = (np.array(levels, np.uint8).reshape(3, 4) for levels in (source, target))
    assert np.array_equal(np.sort(fitted(reference).apply(image), axis=None), np.sort(reference, axis=None))


def test_the_reference_itself_stays():
    for shape, dtype in product([(30, 40), (30, 40, 3)], FULL):
        image = picture(dtype, shape)
        found = fitted(image).apply(image)
        rounding = 0.51 / 65535 if dtype is np.float32 else 0
        assert np.abs(found.astype(np.float64) - image).max() <= rounding, (shape, dtype)


def test_a_reference_serves_images_of_any_depth():
    for dtype, reference_dtype in product(FULL, FULL):
        image, reference = (picture(dtype, (50, 50), 1) * 0.5).astype(dtype), picture(reference_dtype, (50, 50))
        found = fitted(reference).apply(image)
        assert found.dtype == dtype, (dtype, reference_dtype)
        levels = np.sort(found, axis=None) / FULL[dtype] - np.sort(reference, axis=None) / FULL[reference_dtype]
        assert np.abs(levels).max() < 0.02, (dtype, reference_dtype)  # 8 bits have 20 pixels per level


def test_a_sixteen_bit_ramp_keeps_its_levels():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    reference = (np.linspace(0, 1, 65536) ** 1.5 * 65535).astype(np.uint16).reshape(256, 256)
    assert len(np.unique(fitted(reference).apply(ramp))) == len(np.unique(reference)) > 40000


def test_the_image_of_median_luminance_is_the_reference():
    training = [np.full((2, 2), level, np.uint8) for level in (200, 10, 90, 80, 250)]
    assert fitted(*training).apply(np.zeros((3, 3), np.uint8)).tolist() == [[90] * 3] * 3
    assert fitted(*training[:4]).apply(np.zeros((1, 1), np.uint8)) == 80  # of two medians the darker one


def test_luminance_is_compared_across_depths_and_colours():
    training = [np.full((2, 2), 51, np.uint8), np.full((2, 2), 0.5, np.float32), np.full((2, 2), 60000, np.uint16)]
    assert fitted(*training).apply(np.zeros((1, 1), np.float32)) == pytest.approx(0.5, abs=1e-4)


def test_a_constant_image_takes_the_brightest_level_of_the_reference():
    for level in [0, 7, 255]:
        reference = np.array([[3, 9, 9, 120]], np.uint8)
        assert (fitted(reference).apply(np.full((4, 5), level, np.uint8)) == 120).all(), level
        assert fitted(reference).apply(np.full((1, 1), level, np.uint8)) == 120, level


@pytest.mark.parametrize(("dtype", "n_bytes"), [(np.uint8, 3 * 256 * 4), (np.uint16, 3 * 65536 * 4)])
def test_what_is_stored_does_not_grow_with_the_reference(dtype, n_bytes):
    for size in (3, 300):
        state = fitted(picture(dtype, (size, size, 3))).state()
        assert sum(array.nbytes for array in state.values()) == n_bytes


def test_a_pipeline_matches_alike_after_saving_and_loading():
    training = [picture(np.uint8, (20, 20, 3), seed, power=1 + seed) for seed in range(3)]
    fresh = Pipeline((Grey(), HistogramMatching(), Scale()))
    pipeline = fresh.fit(training)
    again = fresh.with_state({name: array.copy() for name, array in pipeline.state().items()})
    for image in training:
        assert np.array_equal(again.prepare(image).pixels, pipeline.prepare(image).pixels)
    assert not np.array_equal(pipeline.prepare(training[0]).pixels, Pipeline((Grey(), Scale())).prepare(training[0])[0])


def test_the_reference_can_be_a_file(tmp_path: Path):
    reference, image = picture(np.uint8, (20, 20), 3), picture(np.uint8, (20, 20), 4, power=3)
    Image.fromarray(reference).save(tmp_path / "golden.png")
    step = HistogramMatching(reference=str(tmp_path / "golden.png")).fit([image])
    assert np.array_equal(step.apply(image), matched(image, reference))


def test_a_reference_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"histogram_matching\.reference = '.*gone\.png': no such file"):
        HistogramMatching(reference=str(tmp_path / "gone.png")).fit([np.zeros((2, 2), np.uint8)])


def test_a_reference_of_other_channels_is_refused_before_training(tmp_path: Path):
    Image.fromarray(picture(np.uint8, (4, 4))).save(tmp_path / "grey.png")
    with pytest.raises(RecipeError, match=r"grey\.png' is a grey image, the training images are colour"):
        HistogramMatching(reference=str(tmp_path / "grey.png")).fit([np.zeros((2, 2, 3), np.uint8)])


def test_it_must_be_fitted_first():
    with pytest.raises(RecipeError, match="`histogram_matching` learns from training images; fit the pipeline first"):
        HistogramMatching().apply(np.zeros((2, 2), np.uint8))


def test_an_image_of_other_channels_is_unreadable():
    with pytest.raises(
        UnreadableImageError, match="it is colour, but `histogram_matching` was fitted to grey images; put"
    ):
        fitted(np.zeros((2, 2), np.uint8)).apply(np.zeros((2, 2, 3), np.uint8))


def test_training_images_without_grey_levels_have_no_part():
    training = [np.full((2, 2), level, np.float32) for level in (9, 0.25, -4)]
    assert fitted(*training).apply(np.ones((1, 1), np.float32)) == pytest.approx(0.25, abs=1e-4)
    assert fitted(*training[::2]).state() == {}
    with pytest.raises(UnreadableImageError, match="`min_max`"):
        fitted(*training).apply(training[0])


def test_a_foreign_state_is_refused():
    with pytest.raises(ValueError, match=r"HistogramMatching learns 1 or 3 rows of 256 or 65536 values, not \(3, 4\)"):
        HistogramMatching().with_state({"learnt": np.zeros((3, 4))})


def test_the_callers_image_is_left_alone_whatever_its_memory():
    image = picture(np.uint8, (10, 12, 3))
    image.flags.writeable = False
    for view in (image, image[::-1, ::2], image[..., ::-1], image[..., 1]):
        step = fitted(picture(np.uint8, view.shape, 5))
        assert np.array_equal(step.apply(view), step.apply(view.copy()))
    assert np.array_equal(image, picture(np.uint8, (10, 12, 3)))


def test_steps_before_it_count_for_the_reference_from_training():
    training = [picture(np.uint8, (9, 9), power=2)]
    pipeline = Pipeline((MinMax(), HistogramMatching())).fit(training)
    assert np.allclose(pipeline.prepare(training[0]).pixels[0], MinMax().apply(training[0]), atol=1e-5)

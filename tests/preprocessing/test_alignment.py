"""Parts come to lie as the template does, places lead back, and what does not fit stays as it is."""

from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urushi.data.appearance import Appearance
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing._registration import SIDE_PX, between_centres, correlation, features, square
from urushi.preprocessing.alignment import Alignment, align
from urushi.preprocessing.scale import Scale

FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
MARK = (36.0, 58.0)  # x, y of the notch in the part that lies straight, in pixel corners


def part(angle_deg: float = 0, shift: tuple[float, float] = (0, 0), shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A dark bolt with a head, on a bright ground with some noise; turned about the middle, then shifted. In [0, 1]."""
    height, width = shape
    bolt = np.zeros(shape, np.float32)
    cv2.rectangle(bolt, (30, 55), (110, 62), 0.6, -1)
    cv2.rectangle(bolt, (105, 44), (118, 73), 0.6, -1)
    cv2.rectangle(bolt, (34, 56), (37, 59), 0, -1)
    moved = cv2.warpAffine(bolt, between_centres(truth(angle_deg, shift, shape))[:2], (width, height))
    noise = np.random.default_rng(int(10 * angle_deg) % 97).normal(0, 0.01, shape)
    return np.clip(0.8 - moved + noise, 0, 1).astype(np.float32)


def truth(angle_deg: float, shift: tuple[float, float], shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """3×3, where a place of the straight part lies in the moved one, in pixel corners."""
    matrix = cv2.getRotationMatrix2D((shape[1] / 2, shape[0] / 2), angle_deg, 1)
    matrix[:, 2] += shift
    return np.vstack([matrix, [0, 0, 1]])


@pytest.fixture(scope="module")
def step() -> Alignment:
    return Alignment().fit([part()])


@settings(max_examples=12, deadline=None)
@given(st.floats(-180, 180), st.floats(-14, 14), st.floats(-14, 14))
def test_a_part_in_any_direction_comes_to_lie_as_the_template_does(
    step: Alignment, angle: float, x: float, y: float
) -> None:
    image = part(angle, (x, y))
    found, back = step.place(image)
    assert correlation(square(found), square(part())) > 0.9
    assert np.allclose(back @ [*MARK, 1], truth(angle, (x, y)) @ [*MARK, 1], atol=1.5)
    assert step.doubt(found) is None


def test_places_lead_back_in_images_of_any_form_and_depth(step: Alignment) -> None:
    for (dtype, full), colours in product(FULL.items(), (1, 3)):
        image = (part(130, (6, -4)) * full).astype(dtype)
        image = image if colours == 1 else np.dstack([image] * 3)
        found, back = step.place(image)
        assert (found.dtype, found.shape) == (dtype, image.shape)
        assert np.allclose(back @ [*MARK, 1], truth(130, (6, -4)) @ [*MARK, 1], atol=1), (dtype, colours)


def test_an_image_of_twice_the_size_is_aligned_alike(step: Alignment) -> None:
    image = cv2.resize(part(70, (5, 5)), (320, 240), interpolation=cv2.INTER_LINEAR)
    _, back = step.place(image)
    assert np.allclose(back @ [*(2 * np.array(MARK)), 1], [*(2 * (truth(70, (5, 5)) @ [*MARK, 1])[:2]), 1], atol=2.5)


def test_what_the_matrix_says_is_what_the_image_shows(step: Alignment) -> None:
    """Each place of the aligned image has the level of the place of the original that its matrix leads to."""
    image = cv2.GaussianBlur(part(35, (4, -3)), (0, 0), 2)
    found, back = step.place(image)
    for x, y in ((40, 60), (80, 58), (110, 50), (70, 80)):
        there = back @ [x + 0.5, y + 0.5, 1]
        level = cv2.getRectSubPix(image, (1, 1), (there[0] - 0.5, there[1] - 0.5))[0, 0]
        assert found[y, x] == pytest.approx(level, abs=0.02)


def test_what_is_no_such_part_stays_as_it_is_and_that_is_said(step: Alignment) -> None:
    noise = np.random.default_rng(0).random((120, 160)).astype(np.float32)
    for image in (noise, np.full((120, 160), 0.5, np.float32), 1 - part(40)):
        found, back = step.place(image)
        assert found is image
        assert np.array_equal(back, np.eye(3))
        assert "could not be aligned" in step.doubt(found)


def test_the_pipeline_keeps_the_doubt_of_a_step(step: Alignment) -> None:
    pipeline = Pipeline((step, Scale()))
    assert pipeline.prepare(part(60)).doubts == ()
    (doubt,) = pipeline.prepare(np.full((120, 160), 0.5, np.float32)).doubts
    assert "0.4 is needed" in doubt


def test_a_part_at_the_border_is_aligned_and_what_is_missing_has_the_level_of_the_rim(step: Alignment) -> None:
    found, back = step.place(part(0, (-40, 0)))  # a shaft that is cut off
    assert back[0, 2] == pytest.approx(-40, abs=1)
    assert found[:, -20:] == pytest.approx(0.8, abs=0.04)


def test_limits_are_kept() -> None:
    image = part(60, (10, 0))
    for limits in ({"largest_rotation_deg": 20}, {"largest_rotation_deg": 0}, {"largest_shift": 0.01}):
        _, back = Alignment(**limits).fit([part()]).place(image)
        turned = np.degrees(np.arctan2(back[1, 0], back[0, 0]))
        assert abs(turned) <= limits.get("largest_rotation_deg", 180) + 1
        middle = back @ [80, 60, 1] - [80, 60, 1]
        assert np.abs(middle).max() <= (limits.get("largest_shift", 0.5) + 0.01) * 160


def test_without_rotation_a_part_is_shifted() -> None:
    found, back = Alignment(largest_rotation_deg=0).fit([part()]).place(part(0, (12, -9)))
    assert np.allclose(back, [[1, 0, 12], [0, 1, -9], [0, 0, 1]], atol=0.5)
    assert correlation(square(found), square(part())) > 0.95


def test_refinement_goes_below_a_pixel() -> None:
    errors = {}
    for refine in (False, True):
        step = Alignment(refine=refine).fit([part()])
        moves = [(angle, (x, 3.3)) for angle, x in ((7.4, 5.7), (100.5, -3.6), (-50.6, 2.5))]
        errors[refine] = max(
            np.abs(step.place(part(*move))[1] @ [*MARK, 1] - truth(*move) @ [*MARK, 1]).max() for move in moves
        )
    assert errors[True] < min(0.7, errors[False])


@pytest.mark.thorough
def test_the_template_is_an_ordinary_image_and_nearly_all_folds_choose_it() -> None:
    images = [part(angle, (angle / 40, 0)) for angle in range(0, 360, 6)]
    odd = np.random.default_rng(1).random((120, 160)).astype(np.float32)
    template = Alignment().fit([odd, *images]).state()["template"]
    assert template.shape == (SIDE_PX, SIDE_PX)
    assert [np.array_equal(square(image), template) for image in images].count(True) == 1
    folds = [images[:k] + images[k + 2 :] for k in range(0, 60, 3)]
    same = [np.array_equal(Alignment().fit([odd, *fold]).state()["template"], template) for fold in folds]
    assert np.mean(same) >= 0.7


def test_what_memory_held_before_has_no_part_in_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = np.random.default_rng(0).random((SIDE_PX, SIDE_PX), np.float32)
    expected, warp = features(levels), cv2.warpPolar

    def into_what_was_used_before(image: np.ndarray, size: tuple[int, int], *others: Any) -> np.ndarray:
        return np.asarray(warp(image, size, *others, np.full(size[::-1], np.nan, np.float32)))

    monkeypatch.setattr("urushi.preprocessing._registration.cv2.warpPolar", into_what_was_used_before)
    np.testing.assert_array_equal(features(levels), expected)


def test_its_state_is_all_it_knows_and_the_same_image_gives_the_same_result(step: Alignment) -> None:
    again = Alignment().with_state(step.state())
    first, second = step.place(part(77)), again.place(part(77))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_the_card_says_how_well_good_images_fit(step: Alignment) -> None:
    odd = np.random.default_rng(1).random((120, 160)).astype(np.float32)
    facts = step.facts([part(), part(45), part(170), odd])["alignment"]
    assert (facts["n_images"], facts["n_aligned"]) == (4, 3)
    assert facts["correlation_before"] < 0.5 < 0.9 < facts["correlation_after"]
    assert facts["summary"].startswith("3 of 4 good images fit the template; median correlation 0.")


def test_all_ways_to_fill_what_is_unknown() -> None:
    image, matrix = np.tile(np.arange(10, 30, dtype=np.uint8), (20, 1)), np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1.0]])
    ends: dict[Any, list[int]] = {"rim": [20] * 5, "replicate": [29] * 5, "reflect": [28, 27, 26, 25, 24]}
    for border, end in ends.items():
        assert align(image, matrix, border)[0].tolist() == [*range(15, 30), *end], border


def test_an_unfitted_step_and_an_image_that_is_too_long_are_refused(step: Alignment) -> None:
    with pytest.raises(RecipeError, match="fit the pipeline first"):
        Alignment().apply(part())
    with pytest.raises(UnreadableImageError, match="put `resize` before it"):
        align(np.zeros((2, 40000), np.uint8), np.eye(3))


def test_the_appearance_is_that_of_the_original(step: Alignment) -> None:
    image = part(50)
    assert Pipeline((step, Scale())).prepare(image).appearance == Appearance.of(image)

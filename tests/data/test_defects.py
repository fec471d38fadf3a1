from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urushi.data.defects import KINDS, MINIMUM_CHANGE, Defect, Shape, apply, draw, fading, planted
from urushi.errors import InputError

FULL_SCALE = {"uint8": 255, "uint16": 65535, "float32": 1}
SIDES = st.integers(16, 80)
SHAPES = st.one_of(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.just(3)))
SEEDS = st.integers(0, 2**32 - 1)


def image_of(shape: tuple[int, ...], dtype: str, seed: int, flat: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.full(shape, rng.random()) if flat else rng.random(shape)
    return (values * FULL_SCALE[dtype]).astype(dtype)


@settings(deadline=None, max_examples=60)
@given(
    shape=SHAPES,
    dtype=st.sampled_from(sorted(FULL_SCALE)),
    kind=st.sampled_from(KINDS),
    seed=SEEDS,
    flat=st.booleans(),
    opacity=st.sampled_from((1, 1 / 2, 1 / 4, 1 / 16, 0.001)),
)
def test_mask_marks_exactly_the_pixels_that_change_by_the_minimum_at_that_opacity(
    shape: tuple[int, ...], dtype: str, kind: str, seed: int, flat: bool, opacity: float
) -> None:
    image = image_of(shape, dtype, seed, flat)
    changed, mask = apply(image, draw(np.random.default_rng(seed), shape, kinds=[kind]), opacity=opacity)
    assert changed.dtype == image.dtype
    assert changed.shape == image.shape
    assert (mask.dtype, mask.shape) == (np.dtype(bool), shape[:2])
    assert 0 < mask.sum() < mask.size
    difference = np.abs(changed.astype(np.float64) - image).reshape(*mask.shape, -1).max(axis=2)
    np.testing.assert_array_equal(difference[~mask], 0)
    level = 0 if dtype == "float32" else 1
    least = max(opacity * MINIMUM_CHANGE * FULL_SCALE[dtype], level)
    assert difference[mask].min() >= least - 1e-6  # the tolerance is float32's


@pytest.mark.parametrize("dtype", sorted(FULL_SCALE))
@pytest.mark.parametrize("kind", KINDS)
def test_opacity_mixes_the_defective_image_with_the_clean_one(kind: str, dtype: str) -> None:
    image = image_of((48, 64, 3), dtype, 0)
    defect = draw(np.random.default_rng(5), image.shape, kinds=[kind])
    full, mask = apply(image, defect)
    clean = image.astype(np.float64)
    for opacity in (1.0, 0.5, 0.25, 1 / 16):
        changed, same_mask = apply(image, defect, opacity=opacity)
        np.testing.assert_array_equal(same_mask, mask)
        mixed = clean + opacity * (full.astype(np.float64) - clean)
        one_level = 1e-6 if dtype == "float32" else 1  # away from the clean level, never back to it
        np.testing.assert_allclose(changed, mixed, atol=one_level, rtol=0)


@pytest.mark.parametrize("opacity", [0, -0.5, 1.01, float("nan")])
def test_an_opacity_that_is_none_is_refused(opacity: float) -> None:
    image = image_of((32, 32), "uint8", 0)
    with pytest.raises(InputError, match="above 0 and at most 1"):
        apply(image, draw(np.random.default_rng(0), image.shape), opacity=opacity)


@given(shape=SHAPES, seed=SEEDS)
def test_same_seed_draws_the_same_defect(shape: tuple[int, ...], seed: int) -> None:
    assert draw(np.random.default_rng(seed), shape) == draw(np.random.default_rng(seed), shape)


def test_applying_again_gives_the_same_and_leaves_the_image_alone() -> None:
    for kind in KINDS:
        image = image_of((48, 64, 3), "uint8", 0)
        before, defect = image.copy(), draw(np.random.default_rng(7), image.shape, kinds=[kind])
        first, again = apply(image, defect), apply(image, defect)
        assert np.array_equal(first[0], again[0]), kind
        assert np.array_equal(first[1], again[1]), kind
        assert np.array_equal(image, before), kind


def test_size_is_relative_to_the_image() -> None:
    for kind in KINDS:
        defect = draw(np.random.default_rng(3), (64, 64), kinds=[kind])
        small = apply(image_of((64, 64), "uint8", 0), defect)[1].mean()
        large = apply(image_of((256, 256), "uint8", 0), defect)[1].mean()
        assert large == pytest.approx(small, rel=0.5), kind  # thin lines are at least one pixel wide


def test_outlines_are_not_stretched_with_an_oblong_image() -> None:
    for kind in ["blob", "stain", "hole", "paste"]:
        points = np.array(draw(np.random.default_rng(0), (50, 200), kinds=[kind]).shapes[0].points) * (200, 50)
        extent = np.ptp(points, axis=0)
        assert max(extent) < 0.7 * 50, kind  # in units of the shorter side, both ways


def test_kinds_change_what_they_say() -> None:
    image = np.full((64, 64), 128, np.uint8)
    hole, in_hole = apply(image, draw(np.random.default_rng(0), image.shape, kinds=["hole"]))
    assert hole[in_hole].mean() < 128 - 0.2 * 255
    crack, in_crack = apply(image, draw(np.random.default_rng(0), image.shape, kinds=["crack"]))
    assert crack[in_crack].max() < 128


def test_a_hole_in_a_black_image_turns_bright() -> None:
    image = np.zeros((32, 32), np.uint8)
    changed, mask = apply(image, draw(np.random.default_rng(0), image.shape, kinds=["hole"]))
    assert changed[mask].mean() > 0.1 * 255


def test_paste_without_turn_or_tone_moves_pixels() -> None:
    image = image_of((64, 64), "uint16", 0)
    square = Shape(((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)))
    changed, mask = apply(image, Defect("paste", (square,), 0.0, 1.0, 0.0, source=(0.25, 0.0)))
    inside = np.zeros_like(mask)
    inside[28:37, 28:37] = True
    assert mask[inside].all()
    moved = np.roll(image, 16, axis=1)
    is_visible = np.abs(moved.astype(int) - image) > MINIMUM_CHANGE * 65535
    np.testing.assert_allclose(changed[inside & is_visible], moved[inside & is_visible], atol=1)


def test_twelve_bits_keep_their_range() -> None:
    image = np.full((64, 64), 2000, np.uint16)
    changed, mask = apply(image, draw(np.random.default_rng(0), image.shape, kinds=["blob"]), full_scale=4095)
    assert changed.max() <= 4095
    assert np.abs(changed[mask].astype(int) - 2000).mean() < 0.5 * 4095


def test_contrast_scales_with_the_defect() -> None:
    image = np.full((64, 64), 0.5, np.float32)
    stain = draw(np.random.default_rng(0), image.shape, kinds=["stain"])
    weak, mask = apply(image, replace(stain, contrast=0.1))
    strong, _ = apply(image, replace(stain, contrast=0.2))
    np.testing.assert_allclose(strong[mask] - 0.5, 2 * (weak[mask] - 0.5), rtol=1e-4)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((32, 32), np.int32), "int32"),
        (np.zeros((8, 32), np.uint8), "16 px"),
        (np.zeros((32, 32, 4), np.uint8), "shape"),
        (np.full((32, 32), 2, np.float32), "full_scale"),
        (np.full((32, 32), np.nan, np.float32), "full_scale"),
    ],
)
def test_unfit_images_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply(image, draw(np.random.default_rng(0), (32, 32)))


@pytest.mark.parametrize("kinds", [["dent"], []])
def test_unknown_kinds_are_refused(kinds: list[str]) -> None:
    with pytest.raises(InputError, match="scratch"):
        draw(np.random.default_rng(0), (32, 32), kinds=kinds)


def test_prepared_images_get_defects_of_their_own(pictures):
    for channels in (1, 3):
        clean = pictures(6, 32, channels, seed=0)
        found = np.stack(list(planted(clean, seed=0, n_each=4)))
        assert found.shape == (24, channels, 32, 32)
        changed = (found.reshape(6, 4, channels, 32, 32) != clean[:, None]).reshape(24, -1).mean(axis=1)
        assert ((changed > 0) & (changed < 0.6)).all()
        assert len(np.unique(found, axis=0)) == 24
        assert (np.stack(list(planted(clean, seed=0, n_each=4))) == found).all()
        assert (next(planted(clean, seed=1)) != found[0]).any()


def test_fading_defects_come_ever_nearer_to_the_limit_from_both_sides(pictures):
    clean = pictures(4, 32, 1, seed=0)
    change = [np.abs(one - next(planted(clean[n : n + 1], seed=n))).sum() for n, one in enumerate(clean)]
    for n, one in enumerate(clean):
        limit = 0.3 * change[n]
        series = list(fading(one[None], n, lambda image, one=one, limit=limit: np.abs(image - one).sum() > limit))
        sizes = np.array([np.abs(image - one).sum() for image in series])
        assert len(series) == 6
        assert sizes[0] == pytest.approx(change[n], rel=1e-5)
        assert (sizes > limit).any()
        assert (sizes <= limit).any()
        assert abs(sizes[-1] / limit - 1) < 0.2


def test_a_defect_that_is_never_found_comes_once(pictures):
    clean = pictures(3, 32, 3, seed=0)
    found = list(fading(clean, 0, lambda _: False))
    assert np.array_equal(np.stack(found), np.stack(list(planted(clean, seed=0))))

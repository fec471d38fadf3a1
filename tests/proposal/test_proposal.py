from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from urushi.errors import DatasetError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Image
from urushi.proposal import Proposal, propose
from urushi.recipe import Part, Recipe

SIDE = 128
Y, X = np.mgrid[:SIDE, :SIDE]


def disc(radius_px: float, x: float = 64, y: float = 64) -> np.ndarray:
    return np.asarray(np.hypot(X - x, Y - y) < radius_px)


def product(seed: int, background: float = 200, dark: float = 40, bright: float = 120, radius_px: float = 40) -> Image:
    """(128, 128) uint8: a disc of levels dark…bright before a background with noise of ±4 levels."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(background - 4, background + 4, (SIDE, SIDE))
    inside = disc(radius_px, *rng.uniform(60, 68, 2))
    levels[inside] = rng.uniform(dark, bright, inside.sum())
    return np.rint(levels).astype(np.uint8)


PRODUCTS = [product(seed) for seed in range(12)]


def prepared(proposal: Proposal, image: np.ndarray) -> np.ndarray:
    pixels = Pipeline.of(proposal.recipe("mask.png")).prepare(image).pixels
    return np.asarray(pixels[0])


def step_names(proposal: Proposal) -> list[str]:
    return [part.name for part in proposal.recipe("mask.png").preprocessing]


def test_the_range_of_the_object_becomes_the_full_range_and_the_background_white() -> None:
    found = propose(PRODUCTS)
    assert found.background is not None
    assert found.background.tone == "bright"
    assert found.knots is not None
    assert found.knots[0] == pytest.approx(40, abs=1)
    assert found.knots[1] == pytest.approx(196, abs=1)
    seen = prepared(found, PRODUCTS[0])
    assert (seen[:12, :12] == 1).mean() > 0.95  # a corner of the crop
    assert seen.min() < 0.15  # enlarging and gamma leave no pixel quite black


def test_a_dark_background_gives_the_mirrored_knots() -> None:
    found = propose([255 - image for image in PRODUCTS])
    assert found.background is not None
    assert found.background.tone == "dark"
    assert found.knots == pytest.approx((59, 215), abs=1)


def test_gamma_brings_the_median_of_the_object_to_mid_grey() -> None:
    found = propose(PRODUCTS)
    assert found.exponent is not None
    low, high = found.knots or (0, 0)
    assert found.exponent == pytest.approx(np.log(0.5) / np.log((80 - low) / (high - low)), abs=0.02)
    inside = prepared(found, PRODUCTS[0])[40:88, 40:88]  # of the crop: all object
    assert np.median(inside) == pytest.approx(0.5, abs=0.02)


def test_the_object_is_cropped_to_where_it_is_small_in_every_image() -> None:
    assert "crop" in step_names(propose(PRODUCTS))
    assert "crop" not in step_names(propose([product(seed, radius_px=59) for seed in range(3)]))


def test_a_piece_that_broke_off_stays_in_the_crop() -> None:
    broken = PRODUCTS[0].copy()
    broken[:, 40:50] = 200  # the disc reaches from about 24 to 104
    crop = next(part for part in propose(PRODUCTS).recipe("m").preprocessing if part.name == "crop")
    assert crop.options["min_area_px"] == pytest.approx(0.02 * disc(40).sum(), rel=0.05)
    pipeline = Pipeline.of(Recipe.find("default").model_copy(update={"preprocessing": (crop, Part(name="scale"))}))
    assert pipeline.prepare(broken).pixels.shape[2] > 78


def test_eight_and_sixteen_bits_give_the_same() -> None:
    deep = [image.astype(np.uint16) * 257 for image in PRODUCTS]
    assert propose(deep).reasons == propose(PRODUCTS).reasons
    assert propose(deep).recipe("m") == propose(PRODUCTS).recipe("m")


def test_levels_finer_than_eight_bits_are_stretched_as_well() -> None:
    deep = [(image / 20 * 257).astype(np.uint16) for image in PRODUCTS]  # all below 11 of 255
    assert propose(deep).knots == pytest.approx((2, 9.8), abs=0.11)


def test_constant_images_have_nothing_to_stretch() -> None:
    for level in [0, 77, 255]:
        found = propose([np.full((40, 50), level, np.uint8)] * 3)
        assert (found.knots, found.exponent, found.background) == (None, None, None), level
        assert "Nothing to stretch" in found.reasons[-1], level
        assert prepared(found, np.full((40, 50), level, np.uint8)) == pytest.approx(level / 255), level


def test_a_background_whose_levels_the_object_has_too_is_not_cut_off() -> None:
    striped = [np.where((np.abs(Y - 64) % 16 < 2) & disc(40), 200, image).astype(np.uint8) for image in PRODUCTS]
    found = propose(striped)
    assert found.background is not None
    assert found.knots == pytest.approx((40, 204), abs=1)
    assert "not cut off" in " ".join(found.reasons)


def test_levels_that_reach_the_border_are_no_background() -> None:
    stripes = [np.where(X % 20 < 10, 60, 180).astype(np.uint8)] * 3
    found = propose(stripes)
    assert found.background is None
    assert found.knots == (60, 180)


def test_no_gamma_is_proposed_for_images_of_uneven_exposure() -> None:
    rng = np.random.default_rng(0)
    found = propose([rng.uniform(level, level + 60, (64, 64)).astype(np.uint8) for level in (10, 60, 110, 160)])
    assert found.exponent is None
    assert "midway_equalization" in " ".join(found.reasons)


def with_dead_columns(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    damaged = [image.copy() for image in images]
    for image in damaged:
        image[:, [20, 21, 70]] = 0
    return damaged


def test_dead_columns_are_found_repaired_and_no_part_of_the_levels() -> None:
    found = propose(with_dead_columns(PRODUCTS))
    assert found.dead is not None
    assert np.flatnonzero(found.dead.all(axis=0)).tolist() == [20, 21, 70]
    assert found.knots == pytest.approx(propose(PRODUCTS).knots, abs=1)
    assert found.recipe("a/mask.png").preprocessing[1].options == {"mask": "a/mask.png", "detector": "area"}


def test_dead_columns_of_a_line_detector_are_found_in_images_of_any_height() -> None:
    scans = [image[: 100 + seed] for seed, image in enumerate(with_dead_columns(PRODUCTS))]
    found = propose(scans)
    assert found.dead is not None
    assert found.dead.shape == (1, SIDE)
    assert np.flatnonzero(found.dead).tolist() == [20, 21, 70]


def test_a_few_images_are_not_enough_to_call_pixels_dead() -> None:
    assert propose(with_dead_columns(PRODUCTS[:9])).dead is None


def test_the_recipe_survives_being_written() -> None:
    recipe = propose(with_dead_columns(PRODUCTS)).recipe("mask.png")
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_no_image_at_all_is_an_error() -> None:
    with pytest.raises(DatasetError, match="no image"):
        propose([])


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12)),
        arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=12)),
        arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    )
)
def test_every_image_gets_a_recipe_that_can_be_built(image: np.ndarray) -> None:
    found = propose([image, image])
    Pipeline.of(found.recipe("mask.png"))
    assert found.reasons
    if found.knots:
        assert 0 <= found.knots[0] < found.knots[1] <= 255
    if found.exponent:
        assert 0.3 <= found.exponent <= 3

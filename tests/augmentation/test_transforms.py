"""Each transform against NumPy, scikit-image, SciPy or a formula written out here."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.transform import AffineTransform, ProjectiveTransform, warp

from urushi import catalogue
from urushi.augmentation import Augmentation, Drawn, rng_for
from urushi.augmentation.base import Projective, Transform
from urushi.augmentation.elastic import Elastic
from urushi.augmentation.flip import Flip
from urushi.augmentation.perspective import Perspective
from urushi.augmentation.quarter_turns import QuarterTurns
from urushi.augmentation.rotation import Rotation
from urushi.augmentation.scaling import Scaling
from urushi.augmentation.shear import Shear
from urushi.augmentation.translation import Translation
from urushi.catalogue import options
from urushi.errors import RecipeError

NAMES = catalogue.names("urushi.augmentation")
KINDS = {name: catalogue.load("urushi.augmentation", name, Transform) for name in NAMES}
NOTHING = {
    "rotation": {"degrees": 0},
    "translation": {"x_share": 0, "y_share": 0},
    "scaling": {"factor": 1},
    "flip": {"horizontal": 0, "vertical": 0},
    "quarter_turns": {"n_turns": 0},
    "shear": {"horizontal_degrees": 0, "vertical_degrees": 0},
    "perspective": {f"{axis}{i}_share": 0 for i in range(4) for axis in "xy"},
    "elastic": {"seed": 1, "sigma_px": 4, "alpha_px": 0},
}
DTYPES = (np.uint8, np.uint16, np.float32)


def applied(image, name, **parameters):
    return Augmentation().apply(image, Drawn(((name, parameters),)))


def grid(height, width):
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))


# --- every transform --------------------------------------------------------------------------------------------------


def test_every_transform_says_what_its_options_are_and_has_a_probability():
    for name in NAMES:
        described = {option.name: option for option in options.describe(KINDS[name])}
        assert "probability" in described, name
        assert all(option.description and not option.is_required for option in described.values()), name
        assert KINDS[name].name == name, name


@pytest.mark.parametrize("name", NAMES)
def test_every_transform_draws_plain_numbers_and_copes_with_any_size(name):
    for shape, interpolation in product([(1, 1), (1, 7), (16, 33)], ["bilinear", "bicubic"]):
        parameters = KINDS[name]().draw(rng_for(0, 0, 0), shape)
        assert all(type(value) in (int, float) for value in parameters.values()), (shape, interpolation)
        look = Augmentation((), "reflect", 0.0, interpolation)
        result = look.apply(np.full(shape, 77, np.uint8), Drawn(((name, parameters),)))
        assert result.shape == shape, (shape, interpolation)
        assert (result == 77).all(), (shape, interpolation)


def test_a_probability_and_a_share_go_from_nothing_to_all_and_no_further():
    limits = [(name, "probability") for name in NAMES] + [
        ("translation", "horizontal_share"),
        ("translation", "vertical_share"),
    ]
    for name, option in limits:
        for value in (0, 1):
            assert options.check(KINDS[name], {option: value}, name)[option] == value, name
        for value in (-0.01, 1.01):
            with pytest.raises(RecipeError, match=rf"{option} = {value}"):
                options.check(KINDS[name], {option: value}, name)


def test_every_transform_moves_something_with_its_default_options(smooth):
    image = smooth((64, 64))
    for name in NAMES:
        drawn = (KINDS[name]().draw(rng_for(0, 0, i), (64, 64)) for i in range(8))
        assert any(not np.allclose(applied(image, name, **one), image, atol=1e-3) for one in drawn), name


@pytest.mark.parametrize("name", sorted(NOTHING))
def test_parameters_of_no_change_give_the_same_image(name, smooth):
    for dtype, shape in product(DTYPES, [(31, 48), (20, 21, 3)]):
        image = smooth(shape, dtype)
        result = applied(image, name, **NOTHING[name])
        assert result.dtype == dtype, (dtype, shape)
        np.testing.assert_allclose(result.astype(float), image.astype(float), atol=1e-6, err_msg=f"{dtype} {shape}")


def test_a_matrix_and_the_places_it_gives_are_the_same_map():
    for name in [n for n in NAMES if issubclass(KINDS[n], Projective)]:
        parameters = KINDS[name]().draw(rng_for(3, 0, 0), (40, 40))
        points = grid(40, 40)
        homogeneous = np.dstack([points, np.ones((40, 40))]) @ KINDS[name].matrix(parameters, (40, 40)).T
        found = KINDS[name].sources(parameters, points, (40, 40))
        np.testing.assert_allclose(found, homogeneous[..., :2] / homogeneous[..., 2:], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", [n for n in NAMES if issubclass(KINDS[n], Projective)])
def test_pixels_are_those_that_scikit_image_finds_with_the_same_matrix(name):
    for shape in [(40, 40), (37, 52)]:
        image = np.random.default_rng(1).random(shape).astype(np.float32)
        parameters = KINDS[name]().draw(rng_for(5, 0, 0), shape)
        matrix = KINDS[name].matrix(parameters, shape)
        expected = warp(image, ProjectiveTransform(matrix), order=1, mode="reflect")
        np.testing.assert_allclose(applied(image, name, **parameters), expected, atol=2e-4, err_msg=str(shape))


# --- what is exact ----------------------------------------------------------------------------------------------------


def test_right_angles_turn_a_square_image_as_rot90_does():
    for interpolation in ["bilinear", "bicubic"]:
        for side, n_turns, border in product([1, 2, 63, 64], [0, 1, 2, 3, 4], ["reflect", "constant"]):
            image = np.random.default_rng(0).random((side, side)).astype(np.float32)
            look = Augmentation((), border, 255.0, interpolation)
            for name, parameters in (("rotation", {"degrees": 90 * n_turns}), ("quarter_turns", {"n_turns": n_turns})):
                found, case = look.apply(image, Drawn(((name, parameters),))), f"{name} {side} {n_turns} {border}"
                np.testing.assert_allclose(found, np.rot90(image, n_turns), atol=1e-6, err_msg=case)


def test_flips_and_the_half_turn_are_exact(smooth):
    for shape, dtype in product([(64, 64), (31, 48, 3)], DTYPES):
        image = smooth(shape, dtype)
        for horizontal, vertical, axes in ((1, 0, 1), (0, 1, 0), (1, 1, (0, 1))):
            flipped = applied(image, "flip", horizontal=horizontal, vertical=vertical)
            assert np.array_equal(flipped, np.flip(image, axes)), (shape, dtype, axes)
        assert np.array_equal(applied(image, "half_turn"), np.rot90(image, 2)), (shape, dtype)


def test_an_elongated_image_is_never_turned_by_90_degrees():
    drawn = {QuarterTurns().draw(rng_for(0, 0, i), (20, 30))["n_turns"] for i in range(50)}
    assert drawn == {0, 2}
    assert {QuarterTurns().draw(rng_for(0, 0, i), (20, 20))["n_turns"] for i in range(50)} == {0, 1, 2, 3}


# --- which way, and how much ------------------------------------------------------------------------------------------


def bright_spot(x, y, side=81):
    image = np.zeros((side, side), np.float32)
    image[y - 1 : y + 2, x - 1 : x + 2] = 1
    return image


def centre_of(image):
    y, x = np.nonzero(image > 0.5 * image.max())
    return x.mean(), y.mean()


def test_a_positive_angle_turns_counter_clockwise_as_one_sees_it():
    x, y = centre_of(applied(bright_spot(60, 40), "rotation", degrees=30))
    assert x == pytest.approx(40 + 20 * np.cos(np.pi / 6), abs=0.5)
    assert y == pytest.approx(40 - 20 * np.sin(np.pi / 6), abs=0.5)  # y points down


def test_a_positive_shift_goes_right_and_down_by_that_share():
    moved = applied(bright_spot(40, 40, 80), "translation", x_share=0.1, y_share=0.25)
    assert centre_of(moved) == pytest.approx((48, 60))


def test_a_factor_of_two_doubles_distances_from_the_centre():
    assert centre_of(applied(bright_spot(50, 30), "scaling", factor=2)) == pytest.approx((60, 20), abs=0.5)


def test_horizontal_shear_makes_an_upright_line_lean_by_that_angle():
    line = np.zeros((81, 81), np.float32)
    line[:, 39:42] = 1
    leaning = applied(line, "shear", horizontal_degrees=20, vertical_degrees=0)
    slope = np.polyfit(np.arange(20, 61), leaning[20:61].argmax(axis=1), 1)[0]
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(20, abs=1)
    reference = AffineTransform(np.array([[1, np.tan(np.deg2rad(20)), 0], [0, 1, 0], [0, 0, 1]]))
    assert Shear.matrix({"horizontal_degrees": 20, "vertical_degrees": 0}, (1, 1))[:2, :2] == pytest.approx(
        reference.inverse.params[:2, :2]
    )


@given(st.floats(0, 0.4), st.integers(0, 1000), st.tuples(st.integers(2, 50), st.integers(2, 50)))
def test_perspective_shows_nothing_beyond_the_edge_and_its_corners_are_as_far_inside_as_drawn(share, seed, size):
    parameters = Perspective(share=share).draw(np.random.default_rng(seed), size)
    matrix = Perspective.matrix(parameters, size)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (size[1], size[0]) - 0.5
    homogeneous = np.column_stack([corners, np.ones(4)]) @ matrix.T
    places = homogeneous[:, :2] / homogeneous[:, 2:]
    inside = np.abs(places - corners) / (size[1], size[0])
    assert inside.max() <= share + 1e-4
    assert (places >= -0.501).all()
    assert (places <= np.array([size[1], size[0]]) - 0.499).all()
    assert inside.ravel() == pytest.approx(list(parameters.values()), abs=1e-4)


# --- ranges -----------------------------------------------------------------------------------------------------------


@given(st.floats(-360, 360), st.floats(-360, 360), st.integers(0, 99))
def test_angles_are_drawn_from_their_range(one, other, seed):
    low, high = sorted((one, other))
    drawn = Rotation(low_degrees=low, high_degrees=high).draw(np.random.default_rng(seed), (9, 9))
    assert low <= drawn["degrees"] <= high


@given(st.floats(0.05, 20), st.floats(0.05, 20), st.integers(0, 99))
def test_factors_are_drawn_from_their_range(one, other, seed):
    low, high = sorted((one, other))
    assert low <= Scaling(low_factor=low, high_factor=high).draw(np.random.default_rng(seed), (9, 9))["factor"] <= high


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_shifts_and_angles_of_shear_are_drawn_from_their_range(x, y, seed):
    rng = np.random.default_rng(seed)
    shift = Translation(horizontal_share=x, vertical_share=y).draw(rng, (9, 9))
    shear = Shear(horizontal_degrees=40 * x, vertical_degrees=40 * y).draw(rng, (9, 9))
    assert abs(shift["x_share"]) <= x
    assert abs(shift["y_share"]) <= y
    assert abs(shear["horizontal_degrees"]) <= 40 * x
    assert abs(shear["vertical_degrees"]) <= 40 * y


def test_draws_fill_their_whole_range():
    angles = [Rotation().draw(rng_for(0, 0, i), (9, 9))["degrees"] for i in range(400)]
    shifts = [Translation(horizontal_share=0.2).draw(rng_for(0, 0, i), (9, 9))["x_share"] for i in range(400)]
    assert np.histogram(angles, 4, (0, 360))[0].min() > 70
    assert np.histogram(shifts, 4, (-0.2, 0.2))[0].min() > 70


@pytest.mark.parametrize(("horizontal", "vertical"), [(0.0, 1.0), (1.0, 0.0), (0.2, 0.7)])
def test_each_direction_is_flipped_with_its_probability(horizontal, vertical):
    drawn = [Flip(horizontal=horizontal, vertical=vertical).draw(rng_for(0, 0, i), (9, 9)) for i in range(400)]
    assert np.mean([d["horizontal"] for d in drawn]) == pytest.approx(horizontal, abs=0.08)
    assert np.mean([d["vertical"] for d in drawn]) == pytest.approx(vertical, abs=0.08)


def test_the_two_directions_are_flipped_independently():
    drawn = [tuple(Flip().draw(rng_for(0, 0, i), (9, 9)).values()) for i in range(400)]
    assert min(drawn.count(both) for both in ((0, 0), (0, 1), (1, 0), (1, 1))) > 70


def test_a_range_the_wrong_way_round_is_refused_with_both_ends():
    with pytest.raises(RecipeError, match="low_degrees = 30 is more than high_degrees = 10"):
        Rotation(low_degrees=30.0, high_degrees=10.0)
    with pytest.raises(RecipeError, match=r"low_factor = 2 is more than high_factor = 1\.1"):
        Scaling(low_factor=2.0)


# --- elastic ----------------------------------------------------------------------------------------------------------


def displacements(size, seed, sigma_px, alpha_px):
    points = grid(*size)
    return Elastic.sources({"seed": seed, "sigma_px": sigma_px, "alpha_px": alpha_px}, points, size) - points


@pytest.mark.parametrize(("sigma_px", "alpha_px"), [(0.5, 1.0), (3.0, 2.0), (10.0, 4.0)])
def test_displacements_are_as_long_as_alpha_says_at_the_edge_as_well(sigma_px, alpha_px):
    fields = np.array([displacements((48, 64), seed, sigma_px, alpha_px) for seed in range(300)])
    rms = np.sqrt((fields**2).sum(axis=-1).mean(axis=0))  # (H, W)
    assert rms.mean() == pytest.approx(alpha_px, rel=0.05)
    assert rms[[0, -1]].mean() == pytest.approx(alpha_px, rel=0.07)
    assert np.abs(fields.mean(axis=(0, 1, 2))).max() < 0.1 * alpha_px


@pytest.mark.parametrize("sigma_px", [4.0, 8.0])
def test_neighbouring_displacements_are_alike_as_white_noise_smoothed_by_sigma_is(sigma_px):
    fields = np.array([displacements((48, 48), seed, sigma_px, 1.0) for seed in range(400)])
    for lag in (2, 4, 8, 16):
        alike = (fields[:, :, :-lag] * fields[:, :, lag:]).mean() / (fields**2).mean()
        assert alike == pytest.approx(np.exp(-(lag**2) / (4 * sigma_px**2)), abs=0.04)


def test_elastic_pixels_are_those_that_scipy_finds_at_the_displaced_places():
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    x, y = (grid(40, 50) + displacements((40, 50), 7, 5.0, 3.0)).transpose(2, 0, 1)
    expected = map_coordinates(image, (y, x), order=1, mode="mirror")
    found = applied(image, "elastic", seed=7, sigma_px=5.0, alpha_px=3.0)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_sigma_larger_than_the_image_moves_it_about_as_a_whole():
    field = displacements((16, 16), 0, 200.0, 5.0)
    assert np.ptp(field, axis=(0, 1)).max() < 1
    assert np.isfinite(field).all()

import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("spekpy")
from urushi import catalogue
from urushi.errors import InputError
from urushi.xray.attenuation import linear_attenuation
from urushi.xray.materials import material
from urushi.xray.phantoms.grid import Grid, turned
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.radiograph import ROOM, Scene, draw, find_product, render, spectrum_of, transmissions
from urushi.xray.phantoms.scanner import Scanner
from urushi.xray.phantoms.scene import VISIBLE_CHANGE, Defect, Layer, thicknesses_mm
from urushi.xray.phantoms.shapes import Ball, Rod

PRODUCTS = catalogue.names(ROOM)
KINDS = [(name, kind) for name in PRODUCTS for kind in find_product(name).defects]


@dataclass(frozen=True)
class Slab(Product):
    """30 mm of water everywhere."""

    scanner = Scanner(120, 0.5, 5000, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0)
    voltage_kv = 80.0
    filters_mm = {"Al": 1.0}  # noqa: RUF012
    max_angle_degrees = 0.0
    defects = ()

    @classmethod
    def draw(cls, rng, max_angle_degrees):  # noqa: ARG003
        return cls()

    def grid(self):
        return Grid(120, 120, 0.5, 0.5)

    def box_mm(self):
        return -100.0, -100.0, 100.0, 100.0

    def layers(self, grid):
        flat = np.zeros((grid.n_rows, grid.n_columns))
        return [Layer("water", flat, flat + 30.0)]

    def draw_defect(self, kind, rng):
        raise NotImplementedError


def pattern_of(product, seed=0):
    return product.scanner.pattern(np.random.default_rng(seed))


def scene_of(name, kind, seed=1):
    return draw(find_product(name), kind, np.random.default_rng(seed))


@cache
def coarse(name):
    """The product on a detector with half as many columns, twice as wide: a quarter of the time."""
    product = find_product(name)
    n_columns, pitch_mm = product.scanner.n_columns // 2, 2 * product.scanner.pitch_mm
    scanner = dataclasses.replace(product.scanner, n_columns=n_columns, pitch_mm=pitch_mm)
    return type(f"Coarse{product.__name__}", (product,), {"scanner": scanner})


def coarse_scene(name, kind, seed=1):
    return draw(coarse(name), kind, np.random.default_rng(seed))


def slab_with(diameter_mm, *, z_mm=15.0, of="iron"):
    ball = Defect("ball", of, {"diameter": diameter_mm}, (Ball((0.1, 0.2, z_mm), diameter_mm),))
    return Scene(Slab(), (ball,), 0)


def test_a_slab_lets_through_what_lambert_and_beer_say():
    spectrum = spectrum_of(Slab)
    left = np.exp(-linear_attenuation(material("water"), spectrum.energies_kev) * 3.0)
    weights = spectrum.photons * spectrum.energies_kev
    expected = (weights * left).sum() / weights.sum()
    signal = render(Scene(Slab(), (), 7), pattern_of(Slab), bits=16).image / 65535
    assert abs(signal.mean() - expected) < 5 * np.sqrt(expected / 5000 / signal.size)
    assert signal.var() == pytest.approx(expected / 5000, rel=5 * np.sqrt(2 / signal.size))


@cache
def clean(name, kind):
    return transmissions(coarse_scene(name, kind), spectrum_of(coarse(name)))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_mask_is_where_the_image_without_noise_differs(name, kind):
    scene = coarse_scene(name, kind)
    difference = clean(name, kind)[0] - clean(name, None)[0]
    (mask,) = render(scene, pattern_of(scene.product)).masks
    assert (mask == (np.abs(difference) >= VISIBLE_CHANGE)).all()
    assert mask.any()


def test_holes_are_brighter_and_foreign_objects_darker():
    for name, kind in KINDS:
        _, (change,) = clean(name, kind)
        brightest, darkest = change.max(), -change.min()
        assert brightest > 10 * darkest if kind in ("hollow_heart", "crack") else darkest > 10 * brightest, (name, kind)


def test_the_mask_of_a_ball_has_the_area_of_a_ball():
    for diameter_mm in [2.0, 4.0]:
        (mask,) = render(slab_with(diameter_mm), pattern_of(Slab)).masks
        radius_px = diameter_mm / 2 / 0.5
        assert np.pi * radius_px**2 <= mask.sum() <= np.pi * (radius_px + 1) ** 2, diameter_mm


def test_an_object_far_below_a_pixel_has_a_mask_of_one_pixel():
    (mask,) = render(slab_with(0.07), pattern_of(Slab)).masks
    assert mask.sum() == 1


def test_an_object_outside_the_image_has_an_empty_mask():
    ball = Defect("ball", "iron", {"diameter": 1.0}, (Ball((500.0, 0.0, 0.0), 1.0),))
    (mask,) = render(Scene(Slab(), (ball,), 0), pattern_of(Slab)).masks
    assert not mask.any()


def test_an_object_in_the_product_takes_its_place_and_one_on_top_does_not():
    grid = Slab().grid()
    inside, above = (slab_with(4.0, z_mm=z_mm).defects for z_mm in (15.0, 40.0))
    layers = Slab().layers(grid)
    found = thicknesses_mm(layers, inside, grid)
    assert found["water"] + found["iron"] == pytest.approx(30.0)
    assert found["iron"].max() == pytest.approx(4.0, abs=0.1)
    assert thicknesses_mm(layers, above, grid)["water"] == pytest.approx(30.0)


def test_a_ball_of_the_product_itself_changes_nothing():
    _, (change,) = transmissions(slab_with(4.0, of="water"), spectrum_of(Slab))
    assert np.abs(change).max() < 1e-9


def test_two_defects_have_a_mask_each_though_one_lies_in_the_box_of_the_other():
    (ball,) = slab_with(2.0).defects
    rod = Defect("rod", "iron", {"diameter": 1.0}, (Rod(((-8.0, -3.0, 15.0), (8.0, 13.0, 15.0)), 1.0),))
    first, second = render(Scene(Slab(), (ball, rod), 0), pattern_of(Slab)).masks
    assert (first == render(slab_with(2.0), pattern_of(Slab)).masks[0]).all()
    assert second.sum() > first.sum()
    assert not (first & second).any()


def test_a_defect_does_not_change_the_rest_of_the_drawing():
    for name, kind in [(name, None) for name in PRODUCTS] + KINDS:
        assert scene_of(name, kind).product == scene_of(name, None).product, (name, kind)


def test_products_are_turned_by_up_to_the_angle_that_is_asked_for():
    bars = [draw(find_product("chocolate"), None, np.random.default_rng(k), max_angle_degrees=90.0) for k in range(50)]
    angles = np.abs([bar.product.angle_degrees for bar in bars])
    assert 80 < angles.max() <= 90
    assert max(abs(scene_of("chocolate", None, k).product.angle_degrees) for k in range(50)) <= 4


def test_needles_lie_in_the_potato_and_have_their_length():
    for seed in range(4):
        scene = scene_of("potato", "needle", seed)
        (rod,) = scene.defects[0].shapes
        assert all(map(scene.product.is_inside, rod.points_mm)), seed
        assert np.linalg.norm(np.subtract(*rod.points_mm)) == pytest.approx(20.0), seed
        assert rod.diameter_mm == 1.0, seed


def test_a_place_on_a_bar_turns_with_the_bar():
    for angle in [0.0, 37.0, -120.0]:
        bar = dataclasses.replace(scene_of("chocolate", None).product, angle_degrees=angle)
        x_mm, y_mm = bar.placed(40.0, 3.0)
        back = turned(np.array(x_mm - bar.x_mm), np.array(y_mm - bar.y_mm), angle)
        assert back == (pytest.approx(40.0), pytest.approx(3.0)), angle


def test_wires_have_the_length_that_is_written_down():
    for seed in range(4):
        (defect,) = scene_of("chocolate", "wire", seed).defects
        points = np.array(defect.shapes[0].points_mm)
        length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        assert length == pytest.approx(defect.sizes_mm["length"], rel=0.01), seed


def test_the_belt_stretches_the_image_along_the_travel_only():
    potato = coarse_scene("potato", None).product
    spectrum = spectrum_of(type(potato))

    def extent(stretch):
        through, _ = transmissions(Scene(dataclasses.replace(potato, stretch=stretch), (), 0), spectrum)
        rows, columns = np.nonzero(through < 0.9)
        return np.ptp(rows) + 1, np.ptp(columns) + 1

    (short, width), (long, same_width) = extent(1.0), extent(2.0)
    assert long == pytest.approx(2 * short, abs=2)
    assert width == same_width


@pytest.mark.parametrize("seed", range(2))
def test_grey_levels_of_potatoes_suit_the_preset_of_the_source(seed):
    scene = scene_of("potato", "needle", seed)
    radiograph = render(scene, pattern_of(scene.product, seed))
    through, _ = transmissions(dataclasses.replace(scene, defects=()), spectrum_of(type(scene.product)))
    background, potato = radiograph.image[through == 1], radiograph.image[through < 0.7]
    assert background.min() > 140  # what the stretch of (30, 0)-(140, 255) makes white
    assert 150 < np.median(background) < 180
    assert 30 < np.percentile(potato, 1) < np.percentile(potato, 99) < 130
    assert radiograph.image[radiograph.masks[0]].min() < np.percentile(potato, 1)


def test_grey_levels_of_chocolate_suit_the_preset_of_the_source():
    scene = scene_of("chocolate", "steel_ball")
    pattern = pattern_of(scene.product)
    image = render(scene, pattern).image
    through, _ = transmissions(dataclasses.replace(scene, defects=()), spectrum_of(type(scene.product)))
    alive = ~np.broadcast_to(pattern.is_dead, image.shape)
    background, bar = image[(through > 0.98) & alive], image[(through < 0.9) & alive]
    assert np.percentile(background, 1) > 240
    assert 170 < np.percentile(bar, 2) < np.percentile(bar, 98) < 235


def test_a_higher_voltage_lets_more_through():
    scene = coarse_scene("potato", None)
    low, high = (transmissions(scene, spectrum_of(type(scene.product), kv))[0].min() for kv in (50.0, 80.0))
    assert low < high


def test_a_bar_lies_as_it_is_turned_at_any_angle():
    for angle in [0.0, 90.0]:
        bar = dataclasses.replace(coarse_scene("chocolate", None).product, angle_degrees=angle)
        through, _ = transmissions(Scene(bar, (), 0), spectrum_of(type(bar)))
        rows, columns = (np.ptp(found) for found in np.nonzero(through < 0.95))
        assert (rows > columns) == (angle == 90.0), angle


def test_an_impossible_voltage_is_refused():
    with pytest.raises(InputError, match="0 kV"):
        spectrum_of(find_product("potato"), 0.0)


def test_a_hollow_heart_is_hollow_and_stays_below_the_skin():
    for seed in range(6):
        scene = coarse_scene("potato", "hollow_heart", seed)
        (mask,) = render(scene, pattern_of(scene.product)).masks
        through, _ = transmissions(dataclasses.replace(scene, defects=()), spectrum_of(type(scene.product)))
        assert through[mask].max() < 0.75, seed  # at least a centimetre of potato around it
        assert mask.sum() > 8, seed

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
from urushi.xray.contrast import plan
from urushi.xray.materials import material
from urushi.xray.phantoms.detector import Detector
from urushi.xray.phantoms.grid import Grid, turned
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.radiograph import ROOM, Scene, draw, find_product, render, signals
from urushi.xray.phantoms.scanner import BIN_KEV, Scanner
from urushi.xray.phantoms.scene import VISIBLE_CHANGE, Defect, Layer, thicknesses_mm
from urushi.xray.phantoms.shapes import Ball, Rod
from urushi.xray.spectrum import tube_spectrum
from urushi.xray.tube import Exposure, Tube

PRODUCTS = catalogue.names(ROOM)
KINDS = [(name, kind) for name in PRODUCTS for kind in find_product(name).defects]


@dataclass(frozen=True)
class Slab(Product):
    """30 mm of water everywhere."""

    scanner = Scanner(
        80.0, Tube(), Exposure(1.0, 400.0, current_ma=1.25), Detector(n_columns=120, pitch_mm=0.5, unsharpness_mm=0.1)
    )
    max_angle_degrees = 0.0
    defects = ()

    @classmethod
    def draw(cls, rng):  # noqa: ARG003
        return cls()

    def laid(self, rng, max_angle_degrees):
        return self

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
    return product.scanner.detector.pattern(np.random.default_rng(seed))


def kinds_of(kind):
    return () if kind is None else (kind,)


def scene_of(name, kind, seed=1):
    return draw(find_product(name), kinds_of(kind), np.random.default_rng(seed))


@cache
def coarse(name):
    """The product on a detector with half as many columns, twice as wide: a quarter of the time."""
    product = find_product(name)
    fine = product.scanner.detector
    wide = dataclasses.replace(fine, n_columns=fine.n_columns // 2, pitch_mm=2 * fine.pitch_mm)
    scanner = dataclasses.replace(product.scanner, detector=wide)
    return type(f"Coarse{product.__name__}", (product,), {"scanner": scanner})


def coarse_scene(name, kind, seed=1):
    return draw(coarse(name), kinds_of(kind), np.random.default_rng(seed))


def slab_with(diameter_mm, *, z_mm=15.0, of="iron"):
    ball = Defect("ball", of, {"diameter": diameter_mm}, (Ball((0.1, 0.2, z_mm), diameter_mm),))
    return Scene(Slab(), (ball,), 0)


def by_hand(voltage_kv, *, pixel_mm=0.5, water_cm=3.0, mas=1.25e-3, distance_mm=400.0):
    """Mean and deviation behind water, of the open beam's mean, as S2 eq. 1.3 and a compound Poisson sum say."""
    spectrum = tube_spectrum(voltage_kv, bin_kev=BIN_KEV)
    left = np.exp(-linear_attenuation(material("water"), spectrum.energies_kev) * water_cm)
    n_photons = spectrum.photons_per_mas_cm2 * mas * (pixel_mm / 10) ** 2 * (1000 / distance_mm) ** 2
    energies, photons = spectrum.energies_kev, n_photons * spectrum.photons
    return np.array([energies @ (photons * left), np.sqrt(energies**2 @ (photons * left))]) / (energies @ photons)


@pytest.mark.parametrize("voltage_kv", [pytest.param(kv, marks=pytest.mark.thorough) for kv in (40, 60, 100)] + [80])
def test_noise_of_a_flat_field_is_that_of_photons_of_many_energies(voltage_kv):
    scanner = dataclasses.replace(Slab.scanner, voltage_kv=voltage_kv)
    one, other = (
        render(Scene(Slab(), (), seed), pattern_of(Slab), scanner=scanner, bits=16).image / 65535 for seed in (7, 8)
    )
    mean, deviation = by_hand(voltage_kv)
    assert one.mean() == pytest.approx(mean, rel=0.002)
    assert (one - other).std() / np.sqrt(2) == pytest.approx(deviation, rel=0.02)


@pytest.mark.thorough
def test_what_the_planner_says_of_a_slab_is_what_its_images_show():
    scanner, iron = Slab.scanner, material("iron")
    pixel_mm, seeds = scanner.detector.pitch_mm, range(5)
    for voltage_kv in (50.0, 80.0):
        there = dataclasses.replace(scanner, voltage_kv=voltage_kv)
        how = {"pixel_mm": pixel_mm, "fixed": "exposure", "exposure": there.exposure}
        found = plan(material("water"), 30.0, iron, 0.5, [voltage_kv], **how)
        images = np.stack([render(Scene(Slab(), (), k), pattern_of(Slab), scanner=there, bits=16).image for k in seeds])
        signal, _ = there.beam().signal([(material("water"), 2.95), (iron, 0.05)])
        assert there.beam().n_photons == pytest.approx(found.best.n_photons_per_pixel, rel=0.01)
        assert (images.mean() / 65535 - signal) / images.std() * 65535 == pytest.approx(found.best.cnr, rel=0.02)


def test_a_scintillator_counts_what_it_absorbs_and_a_counting_detector_each_photon_once():
    for changes in ({"scintillator": "Gd2O2S@7.3", "scintillator_mm": 0.05}, {"weighting": "counting"}):
        detector = dataclasses.replace(Slab.scanner.detector, **changes)
        beam = dataclasses.replace(Slab.scanner, detector=detector).beam()
        spectrum = tube_spectrum(80, bin_kev=2.0)
        if detector.scintillator:
            absorbed = 1 - np.exp(-linear_attenuation(material("Gd2O2S@7.3"), spectrum.energies_kev) * 0.005)
            assert beam.n_photons / Slab.scanner.beam().n_photons == pytest.approx(spectrum.photons @ absorbed)
        else:
            assert beam.open_signal == pytest.approx((1.0, 1.0))
            left = np.exp(-linear_attenuation(material("water"), spectrum.energies_kev) * 3)
            assert beam.signal([(material("water"), 3.0)]) == pytest.approx(np.full(2, spectrum.photons @ left))


@cache
def clean(name, kind):
    return mean_signal(coarse_scene(name, kind))


def mean_signal(scene, beam=None):
    (mean, _), changes = signals(scene, beam or scene.product.scanner.beam())
    return mean, changes


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_mask_is_where_the_image_without_noise_differs(name, kind):
    scene = coarse_scene(name, kind)
    difference = clean(name, kind)[0] - clean(name, None)[0]
    (mask,) = render(scene, pattern_of(scene.product)).masks
    assert (mask == (np.abs(difference) >= VISIBLE_CHANGE)).all()
    assert mask.any()


@pytest.mark.thorough
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
    _, (change,) = mean_signal(slab_with(4.0, of="water"))
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
    bars = [draw(find_product("chocolate"), (), np.random.default_rng(k), max_angle_degrees=90.0) for k in range(50)]
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

    def extent(stretch):
        through, _ = mean_signal(Scene(dataclasses.replace(potato, stretch=stretch), (), 0))
        rows, columns = np.nonzero(through < 0.9)
        return np.ptp(rows) + 1, np.ptp(columns) + 1

    (short, width), (long, same_width) = extent(1.0), extent(2.0)
    assert long == pytest.approx(2 * short, abs=2)
    assert width == same_width


@pytest.mark.parametrize("seed", range(2))
def test_grey_levels_of_potatoes_suit_the_preset_of_the_source(seed):
    scene = scene_of("potato", "needle", seed)
    radiograph = render(scene, pattern_of(scene.product, seed))
    through, _ = mean_signal(dataclasses.replace(scene, defects=()))
    background, potato = radiograph.image[through == 1], radiograph.image[through < 0.7]
    assert background.min() > 140  # what the stretch of (30, 0)-(140, 255) makes white
    assert 150 < np.median(background) < 180
    assert 30 < np.percentile(potato, 1) < np.percentile(potato, 99) < 130
    assert radiograph.image[radiograph.masks[0]].min() < np.percentile(potato, 1)


@pytest.mark.thorough
def test_grey_levels_of_chocolate_suit_the_preset_of_the_source():
    scene = scene_of("chocolate", "steel_ball")
    pattern = pattern_of(scene.product)
    image = render(scene, pattern).image
    through, _ = mean_signal(dataclasses.replace(scene, defects=()))
    alive = ~np.broadcast_to(pattern.is_dead, image.shape)
    background, bar = image[(through > 0.98) & alive], image[(through < 0.9) & alive]
    assert np.percentile(background, 1) > 240
    assert 170 < np.percentile(bar, 2) < np.percentile(bar, 98) < 235


@pytest.mark.thorough
def test_a_higher_voltage_lets_more_through():
    scene = coarse_scene("potato", None)
    scanners = (dataclasses.replace(scene.product.scanner, voltage_kv=kv) for kv in (50.0, 80.0))
    low, high = (mean_signal(scene, scanner.beam())[0].min() for scanner in scanners)
    assert low < high


def test_a_bar_lies_as_it_is_turned_at_any_angle():
    for angle in [0.0, 90.0]:
        bar = dataclasses.replace(coarse_scene("chocolate", None).product, angle_degrees=angle)
        through, _ = mean_signal(Scene(bar, (), 0))
        rows, columns = (np.ptp(found) for found in np.nonzero(through < 0.95))
        assert (rows > columns) == (angle == 90.0), angle


def test_an_impossible_voltage_is_refused():
    with pytest.raises(InputError, match="0 kV"):
        dataclasses.replace(find_product("potato").scanner, voltage_kv=0.0).beam()


@pytest.mark.thorough
def test_a_hollow_heart_is_hollow_and_stays_below_the_skin():
    for seed in range(6):
        scene = coarse_scene("potato", "hollow_heart", seed)
        (mask,) = render(scene, pattern_of(scene.product)).masks
        through, _ = mean_signal(dataclasses.replace(scene, defects=()))
        assert through[mask].max() < 0.75, seed  # at least a centimetre of potato around it
        assert mask.sum() > 8, seed


def test_where_defects_lie_in_one_another_the_later_one_is_there():
    grid = Slab().grid()
    hole, ball = (slab_with(d, of=of).defects[0] for d, of in ((6.0, "air"), (2.0, "iron")))
    layers = Slab().layers(grid)
    both, alone = (thicknesses_mm(layers, defects, grid) for defects in ((hole, ball), (ball,)))
    assert both["iron"] == pytest.approx(alone["iron"])
    assert both["water"].min() == pytest.approx(30 - 6, abs=0.2)  # what the ball displaces is counted once
    assert thicknesses_mm(layers, (ball, hole), grid)["iron"].max() == 0
    assert thicknesses_mm(layers, (ball, ball), grid)["iron"] == pytest.approx(alone["iron"])


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_defect_lies_in_its_product_as_it_did_before_however_that_is_laid_down(name, kind):
    item = find_product(name).draw(np.random.default_rng(3))
    places = [
        dataclasses.replace(item, angle_degrees=angle, x_mm=x, y_mm=y) for angle, x, y in ((0, 0, 0), (70, 9, -4))
    ]
    first, second = (
        [own(laid, p) for p in points(laid.draw_defect(kind, np.random.default_rng(4)))] for laid in places
    )
    assert np.array(first) == pytest.approx(np.array(second), abs=1e-6)


def points(defect):
    (shape, *_) = defect.shapes
    return getattr(shape, "points_mm", None) or getattr(shape, "outline_mm", None) or (shape.centre_mm,)


def own(laid, point):
    x, y = turned(np.array(point[0] - laid.x_mm), np.array(point[1] - laid.y_mm), laid.angle_degrees)
    return (float(x), float(y), *point[2:])

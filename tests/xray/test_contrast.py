import dataclasses

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("spekpy")

from urushi.errors import InputError
from urushi.xray.attenuation import linear_attenuation
from urushi.xray.contrast import plan
from urushi.xray.materials import material
from urushi.xray.spectrum import tube_spectrum
from urushi.xray.tube import Exposure, Tube

VOLTAGES_KV = (40, 60, 80, 100)


def needle(**changes):
    asked = {"thickness_mm": 60.0, "size_mm": 1.0, "voltages_kv": VOLTAGES_KV} | changes
    return plan(asked.pop("product", material("potato")), object=asked.pop("object", material("iron")), **asked)


def test_a_row_is_the_written_formula():
    (row,) = needle(voltages_kv=[80], size_mm=0.4, n_photons_per_pixel=5000, fixed="photons").rows
    beam = tube_spectrum(80)
    potato, iron = (linear_attenuation(material(n), beam.energies_kev) for n in ("potato", "iron"))
    alone, through = np.exp(-6 * potato), np.exp(-5.96 * potato - 0.04 * iron)
    pixel = 0.75 * alone + 0.25 * through  # an edge of half a pixel fills a quarter of it
    n_e = beam.photons * beam.energies_kev
    expected = 1 - (n_e @ pixel) / (n_e @ alone)
    noise = np.sqrt(5000 * (n_e * beam.energies_kev) @ alone)
    assert row.contrast == pytest.approx(float(expected))
    assert row.transmission_product == pytest.approx(float(n_e @ alone / n_e.sum()))
    assert row.cnr == pytest.approx(float(5000 * (n_e @ (alone - pixel)) / noise))


@pytest.mark.thorough
def test_an_object_of_several_pixels_gathers_the_photons_of_all_of_them():
    one, four = (needle(pixel_mm=pixel, voltages_kv=[60]).rows[0] for pixel in (1.0, 0.5))
    assert four.contrast == pytest.approx(one.contrast)
    assert four.cnr == pytest.approx(2 * one.cnr)


@pytest.mark.thorough
def test_a_hundred_times_the_photons_give_ten_times_the_ratio():
    few, many = (needle(n_photons_per_pixel=n) for n in (1e3, 1e5))
    for row_few, row_many in zip(few.rows, many.rows, strict=True):
        assert row_many.cnr == pytest.approx(10 * row_few.cnr)
        assert row_many.contrast == row_few.contrast
        assert row_many.smallest_mm < row_few.smallest_mm


@pytest.mark.thorough
def test_contrast_is_best_at_the_lowest_voltage_but_the_ratio_is_not():
    found = needle()
    assert found.strongest.voltage_kv == 40
    assert found.best.voltage_kv > 60


@pytest.mark.thorough
def test_thin_products_want_less_voltage_than_thick_ones():
    low, middle, high = 50, 70, 110
    found = [needle(thickness_mm=mm, voltages_kv=[low, middle, high], fixed="photons") for mm in (10.0, 200.0)]
    assert [plan.best.voltage_kv for plan in found] == [low, high]


def test_the_smallest_size_is_the_one_whose_ratio_is_five():
    for row in needle().rows:
        (again,) = needle(size_mm=row.smallest_mm, voltages_kv=[row.voltage_kv]).rows
        assert again.cnr == pytest.approx(5, rel=0.05)


def test_a_hollow_is_brighter_and_what_equals_the_product_is_not_seen():
    hollow = needle(object=material("air"), size_mm=5)
    assert all(row.contrast < 0 < row.cnr for row in hollow.rows)
    same = needle(object=material("potato"))
    assert all(row.contrast == pytest.approx(0, abs=1e-12) and row.smallest_mm is None for row in same.rows)


def test_at_the_same_power_less_voltage_and_more_filter_give_fewer_photons():
    counts = [row.n_photons_per_pixel for row in needle().rows]
    assert counts == sorted(counts)
    assert counts[2] == pytest.approx(10_000)  # 80 kV and 1 mm aluminium is what the number is given for
    filtered = needle(tube=Tube(filters_mm={"Al": 3.0}))
    assert filtered.rows[2].n_photons_per_pixel < 9000
    assert {row.n_photons_per_pixel for row in needle(fixed="photons").rows} == {10_000}


def test_an_exposure_gives_the_photons_of_its_charge_and_distance_as_far_as_the_power_allows():
    found = needle(
        voltages_kv=[40, 80], fixed="exposure", exposure=Exposure(2.0, 500.0, current_ma=2.0, max_power_w=100)
    )
    assert [row.current_ma for row in found.rows] == [2.0, 1.25]
    at_1_m = tube_spectrum(80).photons_per_mas_cm2
    assert found.rows[1].n_photons_per_pixel == pytest.approx(at_1_m * 1.25 * 0.002 * 0.08**2 * 4)
    assert {row.current_ma for row in needle(voltages_kv=[80]).rows} == {None}


@pytest.mark.thorough
def test_anode_and_scintillator_change_the_photons_that_count():
    usual = needle(voltages_kv=[40]).rows[0]
    angled = needle(voltages_kv=[40], tube=Tube(target_angle_degrees=55)).rows[0]
    absorbed = needle(voltages_kv=[40], scintillator=(material("CsI@4.51"), 0.1)).rows[0]
    assert angled.mean_kev < usual.mean_kev  # less of the anode lies in the way
    assert absorbed.n_photons_per_pixel < 0.95 * usual.n_photons_per_pixel
    assert absorbed.cnr < usual.cnr


def test_voltages_are_sorted_and_counted_once():
    assert [row.voltage_kv for row in needle(voltages_kv=[80, 40, 80]).rows] == [40, 80]
    assert dataclasses.asdict(needle())["rows"][0]["voltage_kv"] == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_mm": 61}, "thicker than the product"),
        ({"size_mm": 0}, "size"),
        ({"size_mm": float("nan")}, "size"),
        ({"thickness_mm": -1}, "thickness"),
        ({"pixel_mm": 0}, "pixel"),
        ({"n_photons_per_pixel": 0}, "photons"),
        ({"fixed": "powr"}, "did you mean 'power'"),
        ({"voltages_kv": []}, "no voltage"),
        ({"fixed": "exposure"}, "give one, and fixed='exposure', or neither"),
        ({"voltages_kv": [5]}, "10 to 500 kV"),
        ({"product": material("lead"), "thickness_mm": 1000.0}, "no photon gets through"),
    ],
)
def test_what_cannot_be_is_an_error(changes, message):
    with pytest.raises(InputError, match=message):
        needle(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"time_ms": 0}, "time_ms is 0"),
        ({"distance_mm": float("nan")}, "distance_mm is nan"),
        ({"current_ma": -1}, "current_ma is -1"),
        ({"current_ma": None}, "current in mA, or its greatest power"),
    ],
)
def test_an_exposure_that_cannot_be_is_an_error(values, message):
    with pytest.raises(InputError, match=message):
        Exposure(**{"time_ms": 1.0, "distance_mm": 500.0, "current_ma": 1.0} | values)

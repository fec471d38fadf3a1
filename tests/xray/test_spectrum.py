import numpy as np
import pytest

pytest.importorskip("xraylib")
spekpy = pytest.importorskip("spekpy")

from urushi.errors import InputError  # noqa: E402
from urushi.xray import spectrum as module  # noqa: E402
from urushi.xray.attenuation import linear_attenuation  # noqa: E402
from urushi.xray.materials import material  # noqa: E402
from urushi.xray.spectrum import Spectrum, energy_moment, monoenergetic, transmission, tube_spectrum  # noqa: E402

WATER, IRON = "water", "iron"


@pytest.mark.thorough
def test_the_spectrum_is_that_of_spekpy_behind_its_own_aluminium():
    reference = spekpy.Spek(kvp=80, th=20, dk=0.5)
    reference.filter("Al", 1.0)
    found = tube_spectrum(80, bin_kev=0.5)
    energies_kev, per_kev = reference.get_spectrum()
    np.testing.assert_allclose(found.energies_kev, energies_kev)
    np.testing.assert_allclose(found.photons, per_kev / per_kev.sum(), atol=2e-4)
    assert found.photons_per_mas_cm2 == pytest.approx(reference.get_flu(), rel=0.01)


@pytest.mark.parametrize("voltage_kv", [40, 80, *(pytest.param(kv, marks=pytest.mark.thorough) for kv in (80.3, 105))])
def test_a_spectrum_ends_at_the_voltage_and_sums_to_one(voltage_kv):
    found = tube_spectrum(voltage_kv)
    assert voltage_kv - 1 <= found.energies_kev[-1] <= voltage_kv
    assert found.photons.sum() == pytest.approx(1)
    assert 40 <= len(found.photons) + 1 <= 105


@pytest.mark.thorough
def test_the_k_lines_of_tungsten_need_more_than_its_binding_energy_of_69_5_kev():
    def line_over_surroundings(voltage_kv):
        found = tube_spectrum(voltage_kv, bin_kev=0.5)
        line, below, above = (np.interp(e, found.energies_kev, found.photons) for e in (59.25, 55.0, 64.0))
        return 2 * line / (below + above)

    assert line_over_surroundings(68) < 1.1
    assert line_over_surroundings(80) > 1.5
    assert line_over_surroundings(100) > 3


@pytest.mark.thorough
def test_more_voltage_and_more_filter_harden_the_beam():
    means_kev = [tube_spectrum(kv).mean_kev for kv in (40, 60, 80, 100)]
    assert means_kev == sorted(means_kev)
    assert tube_spectrum(80, filters_mm={"Al": 1.0, "Cu": 0.2}).mean_kev > tube_spectrum(80).mean_kev + 5


def test_what_comes_out_of_a_layer_is_harder_and_fewer():
    open_beam = tube_spectrum(80)
    behind = open_beam.behind([(material("potato"), 6.0)])
    assert behind.mean_kev > open_beam.mean_kev + 5
    share = transmission(open_beam, [(material("potato"), 6.0)], detector="counting")
    assert behind.photons_per_mas_cm2 / open_beam.photons_per_mas_cm2 == pytest.approx(share)


@pytest.mark.parametrize("detector", ["counting", "integrating"])
def test_photons_of_one_energy_follow_lambert_beer(detector):
    found = transmission(monoenergetic(60), [(material(IRON), np.linspace(0, 2, 5))], detector=detector)
    attenuation = linear_attenuation(material(IRON), np.array([60.0]))
    np.testing.assert_allclose(found, np.exp(-attenuation * np.linspace(0, 2, 5)))


def test_a_tubes_transmission_is_the_weighted_sum_over_its_energies():
    beam = tube_spectrum(80)
    layers = [(material("potato"), 5.0), (material(IRON), 0.1)]
    left = np.exp(-sum(linear_attenuation(m, beam.energies_kev) * cm for m, cm in layers))
    weights = beam.photons * beam.energies_kev
    assert transmission(beam, layers) == pytest.approx(float((weights * left).sum() / weights.sum()))
    counted = transmission(beam, layers, detector="counting")
    assert counted == pytest.approx(float((beam.photons * left).sum()))
    assert left[beam.photons > 1e-6].min() < counted < transmission(beam, layers) < left.max()


def test_the_beam_hardens_so_that_the_second_layer_takes_less_than_the_first():
    thin, thick = transmission(tube_spectrum(80), [(material(WATER), np.array([5.0, 10.0]))])
    assert thick > thin**2 * 1.05


def test_maps_and_numbers_broadcast(monkeypatch):
    beam, water, iron = tube_spectrum(80), material(WATER), material(IRON)
    map_cm = np.random.default_rng(0).uniform(0, 5, (7, 9))
    found = transmission(beam, [(water, map_cm), (iron, 0.05), (material("air"), np.ones((1, 9)))])
    one = transmission(beam, [(water, map_cm[3, 4]), (iron, 0.05), (material("air"), 1.0)])
    assert found.shape == (7, 9)
    assert found[3, 4] == pytest.approx(float(one))
    monkeypatch.setattr(module, "_CHUNK", 100)  # two pixels at a time
    in_blocks = transmission(beam, [(water, map_cm), (iron, 0.05), (material("air"), np.ones((1, 9)))])
    np.testing.assert_allclose(in_blocks, found)


def test_nothing_in_the_beam_lets_everything_through():
    beam = tube_spectrum(80)
    assert transmission(beam, []) == 1
    assert transmission(beam, [(material(IRON), 0)]) == pytest.approx(1)
    assert transmission(beam, [(material(IRON), np.zeros((0, 4)))]).shape == (0, 4)


def test_moments_are_mean_and_variance_of_what_a_scintillator_sums():
    beam, layers, rng = tube_spectrum(80), [(material(WATER), 3.0)], np.random.default_rng(0)
    left = beam.photons * np.exp(-3 * linear_attenuation(material(WATER), beam.energies_kev))
    sums = rng.poisson(200 * left, (20_000, len(left))) @ beam.energies_kev
    assert sums.mean() == pytest.approx(200 * float(energy_moment(beam, layers, 1)), rel=0.01)
    assert sums.var() == pytest.approx(200 * float(energy_moment(beam, layers, 2)), rel=0.05)


@pytest.mark.parametrize("thickness_cm", [-0.1, np.nan, np.array([[1.0, -1.0]])])
def test_a_thickness_below_zero_is_an_error(thickness_cm):
    with pytest.raises(InputError, match="thickness"):
        transmission(monoenergetic(60), [(material(WATER), thickness_cm)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voltage_kv": 9}, "10 to 500 kV"),
        ({"voltage_kv": 501}, "10 to 500 kV"),
        ({"voltage_kv": float("nan")}, "10 to 500 kV"),
        ({"voltage_kv": 60, "target": "Mo"}, "10 to 50 kV"),
        ({"voltage_kv": 40, "target": "Fe"}, "There is: Ag"),
        ({"voltage_kv": 40, "target_angle_degrees": 0}, "angle"),
        ({"voltage_kv": 40, "target_angle_degrees": 91}, "angle"),
        ({"voltage_kv": 40, "bin_kev": 0}, "bins"),
        ({"voltage_kv": 40, "filters_mm": {"Al": -1}}, "filter Al"),
        ({"voltage_kv": 40, "filters_mm": {"lead": 500}}, "no photon"),
        ({"voltage_kv": 40, "filters_mm": {"alumnium": 1}}, "did you mean 'aluminium'"),
    ],
)
def test_a_tube_that_cannot_be_is_an_error(arguments, message):
    with pytest.raises(InputError, match=message):
        tube_spectrum(**arguments)


@pytest.mark.parametrize(
    ("energies_kev", "photons"), [([1, 2], [1]), ([2, 1], [0.5, 0.5]), ([1, 2], [0.5, 0.6]), ([1, 2], [1.5, -0.5])]
)
def test_a_spectrum_that_is_no_distribution_is_an_error(energies_kev, photons):
    with pytest.raises(InputError):
        Spectrum(np.array(energies_kev, float), np.array(photons, float))


def test_an_unknown_detector_is_an_error():
    with pytest.raises(InputError, match="did you mean 'counting'"):
        transmission(monoenergetic(60), [], detector="countin")

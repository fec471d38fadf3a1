import numpy as np
import pytest

xraylib = pytest.importorskip("xraylib")

from urushi.errors import InputError  # noqa: E402
from urushi.xray.attenuation import linear_attenuation, mass_attenuation, partial_mass_attenuation  # noqa: E402
from urushi.xray.materials import Material, material, mixture  # noqa: E402

ENERGIES_KEV = np.array([20.0, 40.0, 60.0, 80.0])
# cm²/g, from the tables of Hubbell and Seltzer (NIST), total with coherent scattering
NIST = {
    "water": [0.8096, 0.2683, 0.2059, 0.1837],
    "iron": [25.68, 3.629, 1.205, 0.5952],
    "lead": [86.36, 14.36, 5.021, 2.419],
    "aluminium": [3.441, 0.5685, 0.2778, 0.2018],
    "carbon": [0.4420, 0.2076, 0.1753, 0.1610],
}


@pytest.mark.parametrize("name", NIST)
def test_the_total_is_that_of_the_tables_of_nist(name):
    np.testing.assert_allclose(mass_attenuation(material(name), ENERGIES_KEV), NIST[name], rtol=0.02)


@pytest.mark.parametrize(("name", "formula"), [("water", "H2O"), ("starch", "C6H10O5"), ("iron", "Fe")])
def test_total_and_parts_are_those_of_xraylibs_compounds(name, formula):
    found = material(name)
    parts = partial_mass_attenuation(found, ENERGIES_KEV)
    tables = {"photoelectric": xraylib.CS_Photo_CP, "compton": xraylib.CS_Compt_CP, "rayleigh": xraylib.CS_Rayl_CP}
    for process, table in tables.items():
        np.testing.assert_allclose(parts[process], [table(formula, e) for e in ENERGIES_KEV], rtol=1e-6)
    total = [xraylib.CS_Total_CP(formula, e) for e in ENERGIES_KEV]
    np.testing.assert_allclose(mass_attenuation(found, ENERGIES_KEV), total, rtol=1e-6)
    np.testing.assert_allclose(sum(parts.values()), total, rtol=1e-6)


def test_a_mixture_attenuates_as_the_weighted_sum_of_its_parts():
    mixed = mixture("dough", 1.2, {"water": 0.4, material("starch"): 0.5, "fat": 0.1})
    expected = sum(
        w * mass_attenuation(material(n), ENERGIES_KEV) for n, w in (("water", 0.4), ("starch", 0.5), ("fat", 0.1))
    )
    np.testing.assert_allclose(mass_attenuation(mixed, ENERGIES_KEV), expected, rtol=1e-12)
    np.testing.assert_allclose(linear_attenuation(mixed, ENERGIES_KEV), 1.2 * expected, rtol=1e-12)


def test_iron_is_furthest_from_carbon_at_12_kev_as_in_the_source():
    energies_kev = np.geomspace(2, 150, 2000)
    ratio = linear_attenuation(material("iron"), energies_kev) / linear_attenuation(material("carbon"), energies_kev)
    assert energies_kev[ratio.argmax()] == pytest.approx(12, abs=0.5)


def test_photoelectric_absorption_of_iron_dominates_below_100_kev_as_in_the_source():
    parts = partial_mass_attenuation(material("iron"), np.array([90.0, 150.0]))
    others = parts["compton"] + parts["rayleigh"]
    assert (parts["photoelectric"] > others).tolist() == [True, False]


def test_the_shape_of_the_energies_is_kept():
    assert mass_attenuation(material("water"), np.full((2, 3), 60.0)).shape == (2, 3)
    assert mass_attenuation(material("water"), np.array([])).shape == (0,)


@pytest.mark.parametrize("energy_kev", [0.05, 801.0, np.nan, -1.0])
def test_an_energy_without_table_is_an_error(energy_kev):
    with pytest.raises(InputError, match="no table"):
        mass_attenuation(material("iron"), np.array([60.0, energy_kev]))


@pytest.mark.parametrize("symbol", ["Qq", "Fm"])
def test_an_element_without_table_is_an_error(symbol):
    with pytest.raises(InputError, match=symbol):
        mass_attenuation(Material("strange", 1.0, {symbol: 1.0}), ENERGIES_KEV)

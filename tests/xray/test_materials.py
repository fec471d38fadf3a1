import pytest

xraylib = pytest.importorskip("xraylib")

from urushi.errors import InputError  # noqa: E402
from urushi.xray.materials import MATERIALS, Material, material, mixture  # noqa: E402


def test_every_named_material_is_whole_and_found_by_its_name():
    for name, found in MATERIALS.items():
        assert found.name == name
        assert material(name) is found
        assert sum(found.mass_fractions.values()) == pytest.approx(1)
        assert len({found, found}) == 1  # can be a key


def test_foreign_objects_have_the_compositions_of_the_source():
    shares = [("steel", "Fe", 0.95), ("lead_alloy", "Pb", 0.94), ("staple", "Zn", 0.37), ("aluminium", "Al", 1.0)]
    for name, main, share in shares:
        assert material(name).mass_fractions[main] == pytest.approx(share), name


def test_potato_holds_the_source_s_share_of_starch_and_the_rest_water():
    water, carbon = (material(n).mass_fractions for n in ("water", "potato"))
    starch_carbon = xraylib.CompoundParser("C6H10O5")["massFractions"][1]
    assert 0.15 < (carbon["C"] - 0.02 * 0.53) / starch_carbon < 0.25
    assert carbon["O"] > 0.79 * water["O"]


def test_a_formula_needs_a_density_and_an_element_has_its_own():
    corundum = material("Al2O3@3.95")
    assert corundum.density_g_cm3 == 3.95
    assert corundum.mass_fractions["Al"] == pytest.approx(2 * 26.98 / 101.96, rel=1e-3)
    assert material("Cu").density_g_cm3 == pytest.approx(8.96)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("potatoe", "did you mean 'potato'"),
        ("", "There is: water"),
        ("Fm", "no material is called 'Fm'"),
        ("Al2O3", "has no density; add it"),
        ("Al2O3@", "no density after the @"),
        ("Al2O3@heavy", "no density after the @"),
        ("Al2O3@3950", "in g/cm³"),
        ("Al2O3@-1", "in g/cm³"),
        ("Al2O3@nan", "in g/cm³"),
    ],
)
def test_what_is_no_material_is_an_error_that_helps(name, message):
    with pytest.raises(InputError, match=message):
        material(name)


@pytest.mark.parametrize("parts", [{}, {"water": 0.5}, {"water": 1.2, "starch": -0.2}, {"water": float("nan")}])
def test_weight_fractions_that_are_no_shares_of_one_are_an_error(parts):
    with pytest.raises(InputError, match="sum to 1"):
        mixture("soup", 1.0, parts)


def test_a_material_of_less_than_everything_is_an_error():
    with pytest.raises(InputError, match="sum to 1"):
        Material("half", 1.0, {"H": 0.5})

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("spekpy")
pytest.importorskip("matplotlib")

from urushi.errors import InputError
from urushi.reporting.plots import attenuation as plots
from urushi.xray.contrast import plan
from urushi.xray.materials import material
from urushi.xray.spectrum import Spectrum, monoenergetic

SEVEN = [material(n) for n in ("iron", "lead", "aluminium", "carbon", "hydrogen", "nitrogen", "oxygen")]


def all_figures():
    yield plots.linear_attenuation_figure(material("carbon"), material("iron"), (1, 150))
    yield plots.partial_attenuation_figure(material("iron"), (1, 800))
    yield plots.mass_attenuation_figure(SEVEN, (35, 105))
    yield plots.spectra_figure({kv: Spectrum(np.array([kv / 4, kv]), np.array([0.7, 0.3])) for kv in (60, 80)})
    yield plots.contrast_figure(plan(material("potato"), 60, material("iron"), 1, [40, 80]))


def test_every_axis_is_labelled_with_its_unit():
    for figure in all_figures():
        assert "(keV)" in figure.axes[0].get_xlabel() or "(kV)" in figure.axes[-1].get_xlabel()
        for label in (axes.get_ylabel() for axes in figure.axes):
            assert label == "contrast-to-noise ratio" or "/" in label or "%" in label or "per keV" in label


def test_seven_curves_have_seven_dash_patterns():
    (axes,) = plots.mass_attenuation_figure(SEVEN, (35, 105)).axes
    assert len({str(line._dash_pattern) for line in axes.get_lines()}) == 7


def test_the_energy_of_greatest_difference_is_said():
    (axes,) = plots.linear_attenuation_figure(material("carbon"), material("iron"), (2, 150)).axes
    assert any("12 keV" in text.get_text() for text in axes.get_legend().get_texts())


def test_one_voltage_is_called_the_best():
    found = plan(material("potato"), 60, material("iron"), 1, [40, 60, 80])
    upper, lower = plots.contrast_figure(found).axes
    assert upper.get_legend() is None
    assert lower.get_legend().get_texts()[0].get_text() == f"best: {found.best.voltage_kv:g} kV"


def test_more_curves_than_can_be_told_apart_are_an_error():
    with pytest.raises(InputError, match="told apart"):
        plots.mass_attenuation_figure([*SEVEN, material("zinc")], (35, 105))


def test_a_single_line_has_no_spectrum_to_draw():
    with pytest.raises(InputError, match="two energies"):
        plots.spectra_figure({60: monoenergetic(60)})

"""The figures of S2 chapter 1 for any material, and the contrast planner's; each also readable without colour."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.errors import InputError
from urushi.reporting.plots.style import OKABE_ITO, drawing, few_enough, legend_beside
from urushi.xray.attenuation import linear_attenuation, mass_attenuation, partial_mass_attenuation
from urushi.xray.contrast import Plan
from urushi.xray.materials import Material
from urushi.xray.spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

HARD_XRAYS_KEV = (10.0, 124.0)  # S2 §1.1
PROCESSES_KEV = (1.0, 800.0)  # as far as S2 fig. 1.8 goes, or the tables do
_SURNAMES = ("compton", "rayleigh")
ENERGY_LABEL = "photon energy (keV)"
MASS_LABEL = "mass attenuation (cm²/g)"


def linear_attenuation_figure(first: Material, second: Material, range_kev: tuple[float, float]) -> "Figure":
    """Both linear attenuations, with the energy at which one is the largest multiple of the other (S2 fig. 1.7)."""
    energies_kev = np.geomspace(*range_kev, 2000)
    curves = [linear_attenuation(m, energies_kev) for m in (first, second)]
    figure, axes = drawing(
        f"{_title(first)} and {_title(second)}", ENERGY_LABEL, "linear attenuation (1/cm)", extra="xray"
    )
    for m, curve in zip((first, second), curves, strict=True):
        axes.loglog(energies_kev, curve, label=_title(m))
    apart = np.abs(np.log(curves[0] / curves[1]))
    best_kev = energies_kev[np.argmax(apart)]
    label = f"{best_kev:.3g} keV: furthest\napart, {np.exp(apart.max()):.3g} times"
    axes.axvline(best_kev, color="0.4", linestyle=":", label=label)
    axes.set_xlim(range_kev)
    return _finished(figure, axes)


def partial_attenuation_figure(material: Material, range_kev: tuple[float, float]) -> "Figure":
    """The mass attenuation and its parts by process, the hard X-rays shaded (S2 fig. 1.8)."""
    energies_kev = np.geomspace(*range_kev, 2000)
    figure, axes = drawing(_title(material), ENERGY_LABEL, MASS_LABEL, extra="xray")
    parts = partial_mass_attenuation(material, energies_kev)
    for name, curve in {"total": mass_attenuation(material, energies_kev), **parts}.items():
        axes.loglog(energies_kev, curve, label=name.capitalize() if name in _SURNAMES else name)
    axes.axvspan(*HARD_XRAYS_KEV, color="0.9", zorder=0, label="hard X-rays")
    axes.set(xlim=range_kev, ylim=(1e-3, None))
    return _finished(figure, axes)


def mass_attenuation_figure(materials: Sequence[Material], range_kev: tuple[float, float]) -> "Figure":
    """The mass attenuation of up to seven materials (S2 figs. 1.14 and 1.15); InputError for more."""
    energies_kev = np.geomspace(*range_kev, 2000)
    figure, axes = drawing("Mass attenuation", ENERGY_LABEL, MASS_LABEL, extra="xray")
    for material in few_enough(materials):
        axes.loglog(energies_kev, mass_attenuation(material, energies_kev), label=_title(material))
    axes.set_xlim(range_kev)
    return _finished(figure, axes)


def spectra_figure(spectra: Mapping[float, Spectrum]) -> "Figure":
    """Tube spectra by voltage in kV, each with its mean energy (S2 fig. 1.11).

    Raises InputError for more than seven, or one of a single energy.
    Heights are photons of each mAs where that is known, so that voltages compare; else shares.
    """
    is_absolute = all(spectrum.photons_per_mas_cm2 for spectrum in spectra.values())
    unit = "photons per keV, cm² and mAs at 1 m" if is_absolute else "share of photons per keV"
    figure, axes = drawing("Tube spectra", ENERGY_LABEL, unit, extra="xray")
    for voltage_kv in few_enough(list(spectra)):
        spectrum = spectra[voltage_kv]
        if spectrum.photons.size < 2:
            raise InputError(f"the spectrum of {voltage_kv:g} kV has one energy; a curve needs at least two energies")
        per_kev = spectrum.photons / np.gradient(spectrum.energies_kev) * (spectrum.photons_per_mas_cm2 or 1.0)
        label = f"{voltage_kv:g} kV, mean\n{spectrum.mean_kev:.1f} keV"
        axes.plot(spectrum.energies_kev, per_kev, label=label)
    axes.set(xlim=(0, max(spectra)), ylim=(0, None))
    return _finished(figure, axes)


def contrast_figure(plan: Plan) -> "Figure":
    """Contrast and contrast-to-noise ratio over voltage; the best is where the ratio is highest."""
    title = f"{plan.size_mm:g} mm {_title(plan.object)} in {plan.thickness_mm:g} mm {_title(plan.product)}"
    figure, upper = drawing(title, "", "contrast (%)", rows=2, height_in=5.6, extra="xray")
    lower = figure.axes[1]
    voltages_kv = np.array([row.voltage_kv for row in plan.rows])
    contrasts, ratios = (np.array([getattr(row, name) for row in plan.rows]) for name in ("contrast", "cnr"))
    for axes, values in ((upper, 100 * contrasts), (lower, ratios)):
        axes.plot(voltages_kv, values, marker="o", markersize=4)
        axes.axhline(0, color="0.4", linewidth=0.8)
    best = plan.best
    lower.plot(best.voltage_kv, best.cnr, "*", color=OKABE_ITO[1], markersize=14, label=f"best: {best.voltage_kv:g} kV")
    lower.axhline(5, color="0.4", linestyle=":", label="Rose criterion: 5")
    lower.set(xlabel="tube voltage (kV)", ylabel="contrast-to-noise ratio")
    return _finished(figure, lower)


def _finished(figure: "Figure", axes: "Axes") -> "Figure":
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() == "log":
            _label_log_axis(axis, high / low)
    legend_beside(axes)
    return figure


def _label_log_axis(axis: "Axis", ratio: float) -> None:
    """Plain numbers at round places where an axis is too short for powers of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    if ratio < 1000:
        axis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10)) if ratio < 10 else LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")


def _title(material: Material) -> str:
    return material.name.replace("_", " ")

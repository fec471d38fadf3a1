"""urushi xray contrast: which tube voltage shows an object in a product, and how small it may be."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from urushi.cli import _console
from urushi.cli.xray import _numbers, _plan
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.xray.contrast import Plan
    from urushi.xray.materials import Material
    from urushi.xray.tube import Exposure

_MATERIAL = 'A name of --materials, an element ("Cu"), or formula and density ("Al2O3@3.95").'
_PHOTONS = 10_000.0


def _list_materials(is_asked: bool) -> None:
    if not is_asked:
        return
    from urushi.xray.materials import MATERIALS

    rows = ((m.name, f"{m.density_g_cm3:.4g}", _composition(m)) for m in MATERIALS.values())
    _console.table(("material", "g/cm³", "weight per cent"), rows)
    raise typer.Exit


def _composition(material: "Material") -> str:
    return ", ".join(f"{symbol} {100 * share:.3g}" for symbol, share in material.mass_fractions.items())


def contrast(
    product: Annotated[str, typer.Option(help=f"What is inspected. {_MATERIAL}")],
    thickness_mm: Annotated[float, typer.Option(help="How much of the product the beam crosses.")],
    object_: Annotated[str, typer.Option("--object", help=f"What must be found. {_MATERIAL}")],
    size_mm: Annotated[float, typer.Option(help="Edge of the object, a cube inside the product.")],
    voltages: Annotated[str, typer.Option(help="Tube voltages in kV.")] = "40,50,60,70,80,90,100",
    target: Annotated[str, typer.Option(help="The anode's material: W, or Ag, Au, Cr, Cu, Mo, Rh to 50 kV.")] = "W",
    anode_angle: Annotated[float, typer.Option(metavar="DEGREES", help="Between anode and beam.")] = 20.0,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="MATERIAL=MM", help="Repeatable. [Al=1.0]")
    ] = None,
    exposure_ms: Annotated[float | None, typer.Option(help="Of an image, or of a line of a line scanner.")] = None,
    distance_mm: Annotated[float | None, typer.Option(help="From the focal spot to the detector.")] = None,
    current_ma: Annotated[float | None, typer.Option(help="Tube current; less where the power allows less.")] = None,
    max_power_w: Annotated[float | None, typer.Option(help="The tube's greatest power.")] = None,
    photons: Annotated[
        float | None,
        typer.Option(help="In place of an exposure: per pixel without product, at 80 kV behind 1 mm Al. [10000]"),
    ] = None,
    fixed: Annotated[
        Literal["power", "photons"] | None,
        typer.Option(help="With --photons, same at all voltages: tube power (without this), or photons per pixel."),
    ] = None,
    pixel_mm: Annotated[float, typer.Option(help="Edge of a detector pixel.")] = 0.8,
    scintillator: Annotated[
        str | None, typer.Option(metavar="MATERIAL=MM", help="Counts what this absorbs; without it, every photon.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write figures here, as PNG and SVG.")] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="MATERIAL", help="With --out: beside product and object in the figures; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    materials: Annotated[  # noqa: ARG001 - its callback lists them and stops
        bool, typer.Option("--materials", is_eager=True, callback=_list_materials, help="List the materials and stop.")
    ] = False,
) -> None:
    """Compare tube voltages: contrast, contrast-to-noise ratio (CNR), and the smallest object that can be found."""
    _console.note(f"computing spectra of {printable(target)} at {printable(voltages)} kV")
    from urushi.xray.contrast import plan  # late: it takes a second to load
    from urushi.xray.materials import material
    from urushi.xray.tube import Tube

    exposure = _exposure(
        exposure_ms, distance_mm, current_ma, max_power_w, is_other=photons is not None or fixed is not None
    )
    found = plan(
        material(product),
        thickness_mm,
        material(object_),
        size_mm,
        _numbers.voltages_kv(voltages),
        Tube(target, anode_angle, _numbers.layers_mm("--filter", filters or ["Al=1.0"])),
        _PHOTONS if photons is None else photons,
        pixel_mm,
        fixed="exposure" if exposure else fixed or "power",
        exposure=exposure,
        scintillator=_scintillator(scintillator),
    )
    others = [material(name) for name in beside or []]
    _plan.show(found, as_json=as_json)
    if out is not None:
        _draw(found, others, out)


def _exposure(
    exposure_ms: float | None,
    distance_mm: float | None,
    current_ma: float | None,
    max_power_w: float | None,
    *,
    is_other: bool,
) -> "Exposure | None":
    """What the tube's options say together; none where none was given."""
    from urushi.errors import InputError
    from urushi.xray.tube import Exposure

    if all(given is None for given in (exposure_ms, distance_mm, current_ma, max_power_w)):
        return None
    if is_other:
        raise InputError(
            "an exposure says how many photons there are; leave out --photons and --fixed, or the exposure"
        )
    if exposure_ms is None or distance_mm is None or (current_ma is None and max_power_w is None):
        raise InputError("an exposure is --exposure-ms, --distance-mm, and --current-ma or --max-power-w or both")
    return Exposure(exposure_ms, distance_mm, current_ma, max_power_w)


def _scintillator(text: str | None) -> "tuple[Material, float] | None":
    from urushi.xray.materials import material

    if text is None:
        return None
    ((name, thickness_mm),) = _numbers.layers_mm("--scintillator", [text]).items()
    return material(name), thickness_mm


def _draw(found: "Plan", others: list["Material"], folder: Path) -> None:
    from urushi.reporting.plots import attenuation as plots
    from urushi.reporting.plots.style import write

    voltages_kv = [row.voltage_kv for row in found.rows]
    shown = sorted({voltages_kv[0], found.best.voltage_kv, voltages_kv[-1]})
    range_kev = (10.0, max(voltages_kv))
    compared = list({m.name: m for m in (found.product, found.object, *others)}.values())
    figures = {
        "contrast": plots.contrast_figure(found),
        "spectra": plots.spectra_figure({kv: found.tube.spectrum(kv) for kv in shown}),
        "attenuation": plots.linear_attenuation_figure(found.product, found.object, range_kev),
        "mass_attenuation": plots.mass_attenuation_figure(compared, range_kev),
        "processes": plots.partial_attenuation_figure(found.object, plots.PROCESSES_KEV),
    }
    for name, figure in figures.items():
        write(figure, folder / name)
    _console.note(f"figures: {folder}")

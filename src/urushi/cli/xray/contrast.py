"""urushi xray contrast: which tube voltage shows an object in a product, and how small it may be."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from urushi.cli import _console

if TYPE_CHECKING:
    from urushi.xray.contrast import Plan
    from urushi.xray.materials import Material

_MATERIAL = 'A name of --materials, an element ("Cu"), or formula and density ("Al2O3@3.95").'


def _list_materials(is_asked: bool) -> None:
    from urushi.xray.materials import MATERIALS

    if is_asked:
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
    filters: Annotated[list[str] | None, typer.Option("--filter", help="Material=mm; repeatable. [Al=1.0]")] = None,
    photons: Annotated[float, typer.Option(help="Per pixel without product, at 80 kV behind 1 mm Al.")] = 10_000,
    pixel_mm: Annotated[float, typer.Option(help="Edge of a detector pixel.")] = 0.8,
    fixed: Annotated[
        Literal["power", "photons"], typer.Option(help="Same at all voltages: tube power, or photons per pixel.")
    ] = "power",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write figures here, as PNG and SVG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    materials: Annotated[  # noqa: ARG001 - its callback lists them and stops
        bool, typer.Option("--materials", is_eager=True, callback=_list_materials, help="List the materials and stop.")
    ] = False,
) -> None:
    """Compare tube voltages: contrast, contrast-to-noise ratio (CNR), and the smallest object that can be found."""
    from urushi.xray.contrast import plan
    from urushi.xray.materials import material

    found = plan(
        material(product),
        thickness_mm,
        material(object_),
        size_mm,
        _voltages(voltages),
        _filters(filters or ["Al=1.0"]),
        photons,
        pixel_mm,
        fixed=fixed,
    )
    _print(found, as_json=as_json)
    if out is not None:
        _draw(found, out)


def _voltages(text: str) -> list[float]:
    from urushi.errors import InputError

    try:
        return [float(voltage) for voltage in text.split(",")]
    except ValueError:
        raise InputError(f"--voltages {text!r} came; give kV with commas between, such as 40,50,60") from None


def _filters(texts: Sequence[str]) -> dict[str, float]:
    from urushi.errors import InputError

    try:
        return {name: float(thickness_mm) for name, thickness_mm in (text.split("=") for text in texts)}
    except ValueError:
        raise InputError(f"--filter {' '.join(texts)!r} came; give material=millimetres, such as Al=1.0") from None


def _print(found: "Plan", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_as_json(found), indent=1, allow_nan=False))
        return
    columns = ("kV", "mean keV", "photons", "transmission", "contrast", "CNR", "smallest mm")
    rows = (
        (
            f"{row.voltage_kv:g}",
            f"{row.mean_kev:.1f}",
            f"{row.n_photons_per_pixel:.0f}",
            f"{100 * row.transmission_product:.3g} %",
            f"{100 * row.contrast:.3g} %",
            f"{row.cnr:.1f}",
            "-" if row.smallest_mm is None else f"{row.smallest_mm:.2g}",
        )
        for row in found.rows
    )
    _console.table(columns, rows, title=f"{_scene(found)}, same {found.fixed} at every voltage")
    print(_advice(found))


def _as_json(found: "Plan") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "format": 1,
        **asdict(found),
        "best_contrast_kv": found.best_contrast.voltage_kv,
        "best_cnr_kv": found.best_cnr.voltage_kv,
    }


def _scene(found: "Plan") -> str:
    return f"{found.size_mm:g} mm {found.object.name} in {found.thickness_mm:g} mm {found.product.name}"


def _advice(found: "Plan") -> str:
    """One sentence: which voltage, why, and what it cannot show."""
    from urushi.xray.contrast import ROSE_CNR

    best, strongest = found.best_cnr, found.best_contrast
    if best.cnr < ROSE_CNR:
        least = "no size can" if best.smallest_mm is None else f"{best.smallest_mm:.2g} mm could"
        return (
            f"None of these voltages shows it: the best, {best.voltage_kv:g} kV, reaches a CNR of {best.cnr:.1f}, "
            f"below {ROSE_CNR:g} (Rose criterion); there, {least}. More photons or less product would help."
        )
    why = f"the object stands out most from the photon noise there (CNR {best.cnr:.1f})"
    if strongest.voltage_kv != best.voltage_kv:
        why += f"; {strongest.voltage_kv:g} kV has more contrast, but fewer photons get through"
    ends = {found.rows[0].voltage_kv: "lowest", found.rows[-1].voltage_kv: "highest"}
    beyond = (
        f" {best.voltage_kv:g} kV is the {ends[best.voltage_kv]} you gave: try beyond."
        if best.voltage_kv in ends
        else ""
    )
    return f"Use {best.voltage_kv:g} kV: {why}.{beyond}"


def _draw(found: "Plan", folder: Path) -> None:
    from urushi.reporting.plots import attenuation as plots
    from urushi.reporting.plots.style import write
    from urushi.xray.spectrum import tube_spectrum

    voltages_kv = [row.voltage_kv for row in found.rows]
    shown = sorted({voltages_kv[0], found.best_contrast.voltage_kv, found.best_cnr.voltage_kv, voltages_kv[-1]})
    spectra = {kv: tube_spectrum(kv, filters_mm=found.filters_mm) for kv in shown}
    range_kev = (10.0, max(voltages_kv))
    figures = {
        "contrast": plots.contrast_figure(found),
        "spectra": plots.spectra_figure(spectra),
        "attenuation": plots.linear_attenuation_figure(found.product, found.object, range_kev),
    }
    for name, figure in figures.items():
        write(figure, folder / name)
    _console.note(f"figures: {folder}")

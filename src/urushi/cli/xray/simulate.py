"""urushi xray simulate: a data set of simulated radiographs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from urushi.cli import _console
from urushi.cli.xray._numbers import layers_mm
from urushi.data.progress import tracked


def simulate(
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="What to X-ray: potato or chocolate.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write: new or empty, or of the same run before.")
    ],
    n_train: Annotated[
        int, typer.Option("-n", help="Good items to train; a quarter as many good and defective to test.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    scans: Annotated[int, typer.Option(help="How often each item is scanned, laid down anew each time.")] = 1,
    max_defects: Annotated[
        int, typer.Option(help="Defects of a defective item, at most. From 2 on also of several kinds: combined.")
    ] = 1,
    voltage_kv: Annotated[float | None, typer.Option(help="Tube voltage, if not the product's own.")] = None,
    current_ma: Annotated[float | None, typer.Option(help="Tube current, if not the product's own.")] = None,
    exposure_ms: Annotated[float | None, typer.Option(help="Of an image, or of a line of a line scanner.")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="MATERIAL=MM", help="Repeatable. [Al=1.0]")
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What differs from the product's own detector; repeatable."),
    ] = None,
    pixel_bits: Annotated[int, typer.Option("--bits", help="Bits per pixel: 8 or 16.")] = 8,
    max_angle: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="Turn products by up to this, to either side.")
    ] = None,
) -> None:
    """Write simulated radiographs in MVTec layout, with masks, calibration images and every size that was drawn."""
    from urushi.xray.phantoms.settings import Settings
    from urushi.xray.phantoms.simulation import simulate

    settings = Settings(
        product,
        seed=seed,
        voltage_kv=voltage_kv,
        current_ma=current_ma,
        exposure_ms=exposure_ms,
        filters_mm=layers_mm("--filter", filters) if filters else None,
        bits=pixel_bits,
        max_angle_degrees=max_angle,
        n_scans=scans,
        max_defects=max_defects,
        detector=_detector(detector or []),
    )
    paths = simulate(out, settings, n_train=n_train, track=tracked)
    _console.note(f"{len(paths)} SIMULATED radiographs of {product} in {out}; {out / 'README.txt'} says what is what")


def _detector(texts: Sequence[str]) -> dict[str, Any]:
    from urushi.errors import InputError, RecipeError
    from urushi.recipe import parse_setting

    try:
        return dict(map(parse_setting, texts))
    except RecipeError:
        raise InputError(f"--detector {' '.join(texts)!r} came; give NAME=VALUE, such as light_spread_mm=0.2") from None

"""urushi xray simulate: a data set of simulated radiographs."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _console
from urushi.data.progress import tracked


def simulate(
    product: Annotated[str, typer.Argument(help="What to X-ray: potato or chocolate.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write: new or empty, or of the same run before.")
    ],
    n_train: Annotated[
        int, typer.Option("-n", help="Good images to train; a quarter as many good and defective to test.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    voltage_kv: Annotated[float | None, typer.Option(help="Tube voltage, if not the product's own.")] = None,
    bits: Annotated[int, typer.Option(help="Bits per pixel: 8 or 16.")] = 8,
    max_angle: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="Turn products by up to this, to either side.")
    ] = None,
) -> None:
    """Write simulated radiographs in MVTec layout, with masks, calibration images and every size that was drawn."""
    from urushi.xray.phantoms.simulation import Settings, simulate

    paths = simulate(out, Settings(product, seed, voltage_kv, bits, max_angle), n_train=n_train, track=tracked)
    _console.note(f"{len(paths)} SIMULATED radiographs of {product} in {out}; {out / 'README.txt'} says what is what")

"""urushi xray: which tube voltage to use, and simulated radiographs."""

import typer

from urushi.cli._help import Command, epilog
from urushi.cli.xray import contrast, simulate

app = typer.Typer(name="xray", no_args_is_help=True)
app.command("contrast", cls=Command, epilog=epilog("xray contrast"))(contrast.contrast)
app.command("simulate", cls=Command, epilog=epilog("xray simulate"))(simulate.simulate)


@app.callback()
def _xray() -> None:
    """Plan an X-ray inspection, and simulate it."""

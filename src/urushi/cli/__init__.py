"""The command line, one file per command. Commands import what they need when they run, so that --help is quick."""

import io
import os
import sys
from typing import Annotated

import typer

from urushi.cli import (
    _console,
    augment,
    benchmark,
    calibrate,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    inspect,
    models,
    prepare,
    recipes,
    scores,
    steps,
    study,
    transforms,
    xray,
)

app = typer.Typer(
    help="Learns from images of good parts what normal looks like, and shows where a new image differs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    demo,
    fit,
    inspect,
    evaluate,
    calibrate,
    export,
    benchmark,
    study,
    prepare,
    augment,
    models,
    scores,
    steps,
    transforms,
    recipes,
    doctor,
)
for command in COMMANDS:
    name = command.__name__.rpartition(".")[2]
    app.command(name)(getattr(command, name))
app.add_typer(xray.app)


@app.callback(invoke_without_command=True)
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    _console.is_debugging = debug
    if version:
        from urushi import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line; an error becomes one message on stderr and status 2."""
    # Threads that spin while they wait take the cores from the threads that decode, and from other programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever reads at the line sees each result at once
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # typer has made a 1 of it, which means something else here
            sys.exit(0)  # the reader has seen enough
        raise
    except Exception as error:
        if _console.is_debugging:
            raise
        _console.fail(error)
        sys.exit(2)

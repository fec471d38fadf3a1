"""The command line, one file per command. Commands import what they need when they run, so that --help is quick."""

import atexit
import importlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from urushi.cli import _completion, _console, _interrupts
from urushi.cli._help import Command, epilog
from urushi.data import progress

COMMANDS = (
    "demo",
    "fit",
    "merge",
    "inspect",
    "evaluate",
    "calibrate",
    "classify",
    "novelties",
    "sample",
    "interpolate",
    "represent",
    "export",
    "benchmark",
    "compare",
    "tune",
    "serve",
    "history",
    "study",
    "prepare",
    "augment",
    "texture",
    "models",
    "scores",
    "steps",
    "transforms",
    "recipes",
    "doctor",
    "xray",
)
_IN_CATALOGUE = {"models", "scores", "steps", "transforms", "recipes"}  # which are one file


def program(words: Sequence[str]) -> typer.Typer:
    """The command line for these words: only the command that they name is loaded, or all, if they name none."""
    named = _named(words)
    app = typer.Typer(
        help="Learns from images of good parts what normal looks like, and shows where a new image differs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if named in COMMANDS else None,  # rich takes longer to load than all else together
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_options)
    for name in (named,) if named in COMMANDS else COMMANDS:
        module = importlib.import_module(f"urushi.cli.{'catalogue' if name in _IN_CATALOGUE else name}")
        if hasattr(module, "app"):
            app.add_typer(module.app)
        else:
            app.command(name, cls=Command, epilog=epilog(name))(getattr(module, name))
    return app


def _named(words: Sequence[str]) -> str | None:
    """The command, or what stands in its place."""
    return next((word for word in words if not word.startswith("-") and not word[:1].isdecimal()), None)


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
    max_megapixels: Annotated[
        float | None, typer.Option(min=0.001, max=100_000, help="Of the largest image that is decoded. [default: 178]")
    ] = None,
    decode_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="After which an image is given up as not read. [default: 60]")
    ] = None,
) -> None:
    _console.is_debugging = debug
    if max_megapixels or decode_seconds:
        from urushi.data import limits

        limits.allow(megapixels=max_megapixels, seconds=decode_seconds)
    if version:
        from urushi import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line; an error becomes one message on stderr and status 2."""
    # Threads that spin while they wait take the cores from the threads that decode, and from other programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # 2^4 cycles; NumPy's threads would spin while others load
    if getattr(sys, "frozen", False):  # else a process that `benchmark` starts would be another command line
        importlib.import_module("multiprocessing").freeze_support()
    _keep_the_home_folder_clean()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever reads at the line sees each result at once
    try:
        program(_completion.typed())()
    except (KeyboardInterrupt, SystemExit) as stop:
        behind = list(_behind(stop))  # typer makes an exit of what ends a command
        if any(isinstance(one, BrokenPipeError) for one in behind):
            sys.exit(0)  # the reader has seen enough
        if interrupt := next((one for one in behind if isinstance(one, KeyboardInterrupt)), None):
            progress.end()
            _interrupts.tell(interrupt, _named(sys.argv[1:]))
            sys.exit(130)
        raise
    except Exception as error:
        progress.end()
        if _console.is_debugging:
            raise
        _console.fail(error)
        sys.exit(2)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _keep_the_home_folder_clean() -> None:
    """Matplotlib, which other libraries import too, would make folders there and keep a list of fonts."""
    if "MPLCONFIGDIR" not in os.environ and "matplotlib" not in sys.modules:
        os.environ["MPLCONFIGDIR"] = folder = tempfile.mkdtemp(prefix="urushi-matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)

"""urushi history: what a station has inspected, as a table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _console
from urushi.cli._help import Command, epilog
from urushi.cli.serve import DatabaseOption, StationOption
from urushi.printable import counted, printable

app = typer.Typer(name="history", no_args_is_help=True)


@app.callback()
def _history() -> None:
    """Take inspections out of the history of a station."""


@app.command("export", cls=Command, epilog=epilog("history export"))
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file: .csv, .jsonl or .parquet.")],
    station_folder: StationOption = Path("station"),
    database: DatabaseOption = None,
    of_detector: Annotated[str | None, typer.Option("--detector", help="Of this detector only.")] = None,
    decision: Annotated[str | None, typer.Option(help="normal, unsure, anomalous or unreadable.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag only.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this time on, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time, in UTC.")] = None,
) -> None:
    """Write inspections with their verdicts into a file, one line each, last first.

    The station may be running.
    """
    from typing import get_args

    from urushi.catalogue.extras import require
    from urushi.errors import InputError

    require("fastapi", "serve")
    from urushi.cli._places import require_file_place
    from urushi.serving.database import Database
    from urushi.serving.export import writer
    from urushi.serving.history import History, Outcome, Query
    from urushi.serving.objects import Objects

    require_file_place(output, "-o")
    write = writer(output)
    if database is None and not (station_folder / "history.sqlite").is_file():
        raise InputError(
            f"{station_folder} is no folder of a station; give --data the one that `urushi serve` was given"
        )
    if decision is not None and decision not in get_args(Outcome):
        raise InputError(f"--decision is one of {', '.join(get_args(Outcome))}; not {decision!r}")
    moments = [None if moment is None else moment.replace(tzinfo=UTC) for moment in (since, until)]
    query = Query(detector=of_detector, decision=decision, tag=tag, since=moments[0], until=moments[1])  # type: ignore[arg-type]
    n_rows = write(output, History(Database.open(station_folder, database), Objects(station_folder)).all(query))
    _console.note(f"{printable(str(output))}: {counted(n_rows, 'inspection')}")

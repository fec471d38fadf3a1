"""urushi history: what a station has inspected, as a table, or one inspection as signed evidence."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._help import Command, epilog
from urushi.cli.serve import DatabaseOption, StationOption
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.serving.database import Database

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
    from urushi.serving.export import writer
    from urushi.serving.history import History, Outcome, Query
    from urushi.serving.objects import Objects

    require_file_place(output, "-o")
    write = writer(output)
    if decision is not None and decision not in get_args(Outcome):
        raise InputError(f"--decision is one of {', '.join(get_args(Outcome))}; not {decision!r}")
    moments = [None if moment is None else moment.replace(tzinfo=UTC) for moment in (since, until)]
    query = Query(detector=of_detector, decision=decision, tag=tag, since=moments[0], until=moments[1])  # type: ignore[arg-type]
    with closing(_database(station_folder, database)) as opened:
        n_rows = write(output, History(opened, Objects(station_folder)).all(query))
    _console.note(f"{printable(str(output))}: {counted(n_rows, 'inspection')}")


@app.command("evidence", cls=Command, epilog=epilog("history evidence"))
def evidence(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="Of the inspection.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page: .html.")],
    station_folder: StationOption = Path("station"),
    database: DatabaseOption = None,
) -> None:
    """Write one inspection as a signed page: pictures, decision, version, verdicts, digests.

    The key is made once, in the folder of the station: `signing.key` stays there, `signing.pub` is for who verifies.
    """
    from urushi.catalogue.extras import require
    from urushi.errors import InputError

    require("fastapi", "serve")
    require("cryptography", "serve")
    from urushi import atomic_file
    from urushi.cli._places import require_file_place
    from urushi.detector import Detector
    from urushi.serving.database import now
    from urushi.serving.evidence_page import page
    from urushi.serving.history import History
    from urushi.serving.objects import Objects
    from urushi.serving.signing import Signer
    from urushi.serving.versions import Detectors

    require_file_place(output, "-o")
    if output.suffix != ".html":
        raise InputError(f"{output.name} has another suffix than .html, which evidence is written as")
    with closing(_database(station_folder, database)) as opened:
        objects, signer = Objects(station_folder), Signer(station_folder)
        detectors = Detectors(opened, objects, Detector.load)
        history = History(opened, objects, looking_alike=detectors.looking_alike)
        content = signer.signed(page(history.get(number), history, objects, signer.fingerprint, now()))
    atomic_file.replace(output, content)
    _console.note(f"{printable(str(output))}: signed by the key {signer.fingerprint[:16]}…")


@app.command("verify", cls=Command, epilog=epilog("history verify"))
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A page that `urushi history evidence` has written.")],
    key: Annotated[Path | None, typer.Option(help="The public key, in PEM format; without, that of --data.")] = None,
    station_folder: Annotated[
        Path, typer.Option("--data", help="The folder of the station whose key is taken.")
    ] = Path("station"),
) -> None:
    """Say whether a page of evidence is, to the byte, what the station has signed; else the exit status is 2."""
    from urushi.catalogue.extras import require
    from urushi.errors import InputError

    require("cryptography", "serve")
    from urushi.serving import signing

    public = signing.public_key(key or station_folder / signing.PUBLIC)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    try:
        signing.verify(content, public)
    except InputError as error:
        raise InputError(f"{file} is NOT as it was signed: {error}") from None
    print(f"{printable(str(file))}: as it was signed by the key {signing.fingerprint(public)}")


def _database(folder: Path, url: str | None) -> "Database":
    from urushi.errors import InputError
    from urushi.serving.database import Database

    if url is None and not (folder / "history.sqlite").is_file():
        raise InputError(f"{folder} is no folder of a station; give --data the one that `urushi serve` was given")
    return Database.open(folder, url)

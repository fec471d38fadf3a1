"""urushi serve: the station, over HTTP; and the tokens that let programs and people in."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from urushi.cli import _console
from urushi.cli._help import Command, epilog
from urushi.cli._running import PrecisionOption, RuntimeOption, ThreadsOption, require_detector
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.serving.station import Station

StationOption = Annotated[
    Path, typer.Option("--data", help="The folder of the station: its history, images and detectors.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(envvar="URUSHI_DATABASE", help="URL of a PostgreSQL database, instead of SQLite in the folder."),
]


class _Serve(TyperGroup):
    """`urushi serve part.urushi` runs; only `urushi serve token` is something else."""

    default: ClassVar[str] = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does, with the command that is meant."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else [self.default, *args])


app = typer.Typer(name="serve", cls=_Serve, help="Serve detectors over HTTP, and keep the record.")


@app.command("run", cls=Command, epilog=epilog("serve"))
def run(
    detectors: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DETECTOR", help="Detector files, beside those that the station has already."),
    ] = None,
    station_folder: StationOption = Path("station"),
    database: DatabaseOption = None,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 is every one of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8000,
    certificate: Annotated[Path | None, typer.Option(help="PEM file: serve HTTPS.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with the key of the certificate.")] = None,
    queue_images: Annotated[int, typer.Option(min=1, help="That may wait or be inspected at once.")] = 64,
    max_body_megabytes: Annotated[float, typer.Option(min=0.001, help="Of one request.")] = 64,
    images_per_request: Annotated[int, typer.Option(min=1, max=1000, help="At most.")] = 16,
    seconds_per_image: Annotated[float, typer.Option(min=0.01, help="After which an image is given up.")] = 30,
    keep_days: Annotated[float | None, typer.Option(min=0, help="Older inspections are removed.")] = None,
    keep_inspections: Annotated[int | None, typer.Option(min=0, help="More than these are removed.")] = None,
    keep_gigabytes: Annotated[float | None, typer.Option(min=0, help="Of images and maps.")] = None,
    line: Annotated[
        Path | None, typer.Option(help="TOML file: webhooks and what else the station is connected with.")
    ] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    n_threads: ThreadsOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Open database and detectors, say what is there, end.")
    ] = False,
) -> None:
    """Serve detectors over HTTP, and keep the record of what they decide.

    Requests carry a token, which `urushi serve token` makes. What is kept longest is what has a verdict: no limit
    removes it. SIGTERM and Ctrl-C end the station once all that it accepted is answered.
    """
    _refuse_half_a_certificate(certificate, key)
    for path in detectors or []:
        require_detector(path)
    from urushi.catalogue.extras import require

    require("fastapi", "serve")
    from urushi.cli._watching import until_stopped
    from urushi.serving import server
    from urushi.serving.line.line import Line
    from urushi.serving.settings import Limits, Retention

    if certificate is not None and key is not None:
        server.require_certificate(certificate, key)
    connections = None if line is None else Line.read(line)
    limits = Limits(
        queue_images=queue_images,
        body_megabytes=max_body_megabytes,
        images_per_request=images_per_request,
        seconds_per_image=seconds_per_image,
    )
    kept = Retention(days=keep_days, inspections=keep_inspections, gigabytes=keep_gigabytes)
    how: dict[str, Any] = {"runtime": runtime, "precision": precision, "n_threads": n_threads}
    station = _opened(station_folder, detectors or [], database, limits, kept, how)
    _tell(station)
    if check:
        station.close()
        return
    if connections is not None:
        connections.begin(station)
    if certificate is None and not server.is_loopback(host):
        _console.note(
            "warning: tokens and images travel unencrypted; give --certificate and --key, or a proxy that has"
        )
    with until_stopped():
        server.run(
            station, host, port, certificate=certificate, key=key, is_up=lambda at: _console.note(f"serves {at}")
        )


@app.command("token", cls=Command, epilog=epilog("serve token"))
def token(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the program or person; the history says who did what by it.")
    ],
    role: Annotated[
        str, typer.Option(help="inspect, review or admin; each may do what those before it may.")
    ] = "inspect",
    revoke: Annotated[bool, typer.Option("--revoke", help="The token of this name is worth nothing any more.")] = False,
    station_folder: StationOption = Path("station"),
    database: DatabaseOption = None,
) -> None:
    """Make a token, which is shown once, or revoke one. A running station knows at once."""
    from urushi.catalogue.extras import require

    require("fastapi", "serve")
    from urushi.serving.station import open_database
    from urushi.serving.tokens import Tokens

    with closing(open_database(station_folder, database)) as opened:
        tokens, author = Tokens(opened), "urushi serve token"
        if revoke:
            tokens.revoke(name, author)
            print(f"{name}: revoked")
            return
        print(tokens.create(name, role, author))
    _console.note(f"the token of {name!r}, role {role}: it is not kept, and cannot be shown again")


def _opened(data: Path, detectors: list[Path], database: str | None, limits: Any, kept: Any, how: Any) -> "Station":
    from urushi.detector import Detector
    from urushi.serving.station import Station

    def load(path: Path) -> Detector:
        return Detector.load(path, **how)

    threads = {"n_threads": how["n_threads"]}
    return Station.open(data, detectors, url=database, limits=limits, retention=kept, load=load, **threads)


def _tell(station: "Station") -> None:
    """What it has, on stderr."""
    for name in station.detectors.names():
        loaded = station.detectors.get(name)
        _console.note(f"{name}: version {loaded.row.number}, runs in {loaded.detector.backend.description}")
    if not station.tokens.all():
        where = "" if station.folder == Path("station") else f" --data {printable(str(station.folder))}"
        _console.note(f"no one may connect yet: `urushi serve token NAME{where}` makes a token")


def _refuse_half_a_certificate(certificate: Path | None, key: Path | None) -> None:
    from urushi.errors import InputError

    if (certificate is None) != (key is None):
        raise InputError("--certificate and --key go together")
    for path in (certificate, key):
        if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
            raise InputError(f"{path} is no file that can be read; give one in PEM format")

"""A station ended by SIGKILL under load: is every acknowledged result there, with all its files, and nothing else?

    python -m studies.station_kills --detector exported.urushi --rounds 50

Images of 32 x 32 px of noise are sent, to any exported detector. Results: `results/station_kills.json` and its page.
"""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from benchmarks import command_line, record
from PIL import Image

from urushi.serving.client import Client, RefusedError
from urushi.serving.database import Database
from urushi.serving.history import History, Query
from urushi.serving.objects import Objects
from urushi.serving.station import Station

PROGRAM = [sys.executable, "-c", "from urushi.cli import main; main()"]
RESULTS = Path(__file__).parent / "results"
N_CLIENTS = 4
LOSSES = ("n_lost", "n_without_file", "n_half", "n_unnamed")


@dataclass(frozen=True)
class Outcome:
    """What a round has left."""

    n_acknowledged: int
    n_recorded: int
    n_lost: int  # acknowledged, but not in the history
    n_without_file: int  # rows of which a file is missing
    n_half: int  # files whose content is not that of their name
    n_unnamed: int  # files that no row names, once the station has been started again

    @property
    def is_whole(self) -> bool:
        return not (self.n_lost or self.n_without_file or self.n_half or self.n_unnamed)


class Served:
    """A station as a process of its own."""

    def __init__(self, folder: Path, detector: Path, *options: str) -> None:
        command = [*PROGRAM, "serve", str(detector), "--data", str(folder), "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, "")
        line = next((line for line in lines if line.startswith("serves ")), None)
        if line is None:
            raise RuntimeError("the station did not start")
        self.url = line.split()[1]

    def end(self, how: signal.Signals) -> int:
        """Its exit status."""
        self.process.send_signal(how)
        with self.process as process:
            assert process.stderr is not None
            process.stderr.read()
        return process.returncode


def token_of(folder: Path, name: str, role: str = "inspect") -> str:
    command = [*PROGRAM, "serve", "token", name, "--role", role, "--data", str(folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return made.stdout.strip()


class Load:
    """Clients that send one image after the other, each another one, until nobody answers."""

    def __init__(self, url: str, token: str, detector: str) -> None:
        self.acknowledged, self.refusals = list[int](), list[str]()
        self._how, self._stop = (url, token, detector), threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(N_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait(self, n_images: int, seconds: float = 60) -> None:
        """Until so many were acknowledged."""
        end = time.monotonic() + seconds
        while len(self.acknowledged) < n_images and not self.refusals and time.monotonic() < end:
            time.sleep(0.001)

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        url, token, detector = self._how
        rng = np.random.default_rng([number, time.time_ns()])
        client = Client(url, token, retries=0)
        while not self._stop.is_set():
            pixels = rng.integers(90, 150, (32, 32)).astype(np.uint8)
            try:
                self.acknowledged.append(client.inspect_bytes(detector, png(pixels), tag="load").id)
            except RefusedError as error:
                self.refusals.append(str(error))
                return
            except httpx2.HTTPError:
                return


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def under_load(served: Served, token: str, detector: str, n_images: int, how: signal.Signals) -> tuple[Load, int]:
    """What became of the load when the station was ended so after so many images, and its exit status."""
    load = Load(served.url, token, detector)
    load.wait(n_images)
    status = served.end(how)
    load.close()
    return load, status


def outcome_of(folder: Path, acknowledged: list[int]) -> Outcome:
    """Looks at what lies there, starts the station, and looks again."""
    objects = Objects(folder)
    half = [path for path in files(objects) if path.name != hashlib.sha256(path.read_bytes()).hexdigest()]
    half = [path for path in half if not path.name.startswith(".")]
    database = Database.open(folder, None)
    rows = list(History(database, objects).all(Query()))
    database.close()
    station = Station.open(folder)
    names = {digest for row in rows for digest in (row.original, row.evidence)}
    present = {path.name for path in files(objects)}
    versions = {row.digest for name in station.detectors.names() for row in station.detectors.versions(name)}
    station.close()
    return Outcome(
        n_acknowledged=len(acknowledged),
        n_recorded=len(rows),
        n_lost=len(set(acknowledged) - {row.id for row in rows}),
        n_without_file=sum(not {row.original, row.evidence} <= present for row in rows),
        n_half=len(half),
        n_unnamed=len(present - names - versions) + len(list(objects.incoming.iterdir())),
    )


def files(objects: Objects) -> list[Path]:
    return [path for path in objects.root.rglob("*") if path.is_file()]


def page(study: dict[str, Any]) -> str:
    rows, last = study["rows"], study["rows"][-1]
    whole = sum(row["n_lost"] + row["n_without_file"] + row["n_half"] + row["n_unnamed"] == 0 for row in rows)
    return "\n".join(
        [
            "# A station, ended by SIGKILL under load",
            "",
            f"{len(rows)} times, after 1 to 40 acknowledged images of a round, by {N_CLIENTS} clients that send one "
            "after the other; the same station was started again each time. "
            f"Acknowledged: {last['n_acknowledged']}, in the history at the end: {last['n_recorded']} "
            "(some were recorded when nobody could be answered any more).",
            "",
            f"Rounds after which everything acknowledged was there with whole files, and nothing that no row names: "
            f"**{whole} of {len(rows)}**.",
            "",
            "| acknowledged but not there | rows without a file | half files | files without a row |",
            "|---|---|---|---|",
            "| " + " | ".join(str(sum(row[name] for row in rows)) for name in LOSSES) + " |",
            "",
            f"Commit {study['environment']['commit']}, seed {study['seed']}.",
        ]
    )


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, rounds=50, seed=0)
    parser.add_argument("--detector", type=Path, required=True)
    chosen = parser.parse_args()
    rng, rows, acknowledged = random.Random(chosen.seed), list[dict[str, Any]](), list[int]()
    environment = record.environment()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "station"
        token = token_of(folder, "load")
        for _ in range(chosen.rounds):
            load, _ = under_load(
                Served(folder, chosen.detector), token, chosen.detector.stem, rng.randint(1, 40), signal.SIGKILL
            )
            acknowledged += load.acknowledged
            rows.append(asdict(outcome_of(folder, acknowledged)) | {"refusals": load.refusals})
            print(rows[-1], file=sys.stderr, flush=True)
    study = {"environment": environment, "rounds": chosen.rounds, "seed": chosen.seed, "rows": rows}
    record.publish(chosen.results, "station_kills", study, page)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

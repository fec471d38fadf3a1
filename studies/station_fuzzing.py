"""python -m studies.station_fuzzing --detector exported.urushi [--examples N] [--minutes N] [--seed N] [--database URL]

Requests to a running station that its description allows and that it does not, for every operation and every page, made
by Schemathesis (`pip install schemathesis`, which is no part of Urushi); damaged images of every format, bombs, a body
of 100 MB, and paths, HTML and SQL in every text field. Right is an answer below 500, or 501 and 507, which say what is
missing; nothing may be written outside the folder of the station. An answer that does not come within a minute counts
as wrong, with status 0. Of what need not end only the beginning is read, and jobs that were begun are ended at once.

Results: studies/results/station_fuzzing.json and .md, written again after each kind of request.
"""

import argparse
import gzip
import io
import os
import random
import signal
import struct
import sys
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
from benchmarks import record

from studies import RESULTS, fuzzing
from studies.station_kills import Served, token_of
from studies.station_operations import Asking, Counting, of_description, prepared

TEXTS = (
    "../../../../escaped",
    "..\\..\\escaped",
    "/tmp/escaped",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE inspected; --",
    "1 OR 1=1",
    "%00",
    "\x00",
    "\u202egnp",
    "\r\nX-Injected: 1",
    "{{7*7}}",
    "$(touch escaped)",
    "=cmd|'/c calc'!A0",
    "x" * 100_000,
)
FIELDS = ("part_id", "serial", "station", "shift", "tag", "source")


def hostile_files(rng: random.Random, n: int) -> Iterator[tuple[str, bytes]]:
    valid = fuzzing.images()
    for number in range(n):
        name = rng.choice(sorted(valid))
        yield f"{number}-{name}", fuzzing.damaged(valid[name], rng, list(valid.values()))
    yield "bomb.png", zipped(b"\0" * 50_000_000)
    yield "bomb.tif", gzip.compress(b"\0" * 50_000_000)
    yield "empty.png", b""
    yield "huge.png", png_header(60_000, 60_000)
    yield "page.png", b"<!doctype html><script>alert(1)</script>"
    yield "drawing.svg", b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    yield "program.png", b"#!/bin/sh\ntouch escaped\n"
    yield "pickle.png", b"cos\nsystem\n(S'touch escaped'\ntR."


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped", content)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


def of_uploads(client: httpx2.Client, path: str, files: Iterator[tuple[str, bytes]], counting: Counting) -> None:
    """Each as a form and as it is, with hostile words beside it in turn."""
    for number, (name, content) in enumerate(files):
        words = {FIELDS[number % 5]: TEXTS[number % len(TEXTS)]} if number % 2 else {}
        form = client.post(path, files=[("image", (name, content))], data=words)
        counting.add("hostile images, in a form", form.status_code, name)
        raw = client.post(path, content=content, params={"source": name})
        counting.add("hostile images, as a body", raw.status_code, name)


def of_texts(client: httpx2.Client, path: str, image: bytes, counting: Counting) -> None:
    """Each in every field, as a name of a file, as a condition, and as words of a person."""
    for text in TEXTS:
        for field in FIELDS:
            answers = [client.post(path, content=image, params={field: text})] if len(text) < 10_000 else []
            answers += [client.post(path, files=[("image", image)], data={field: text})]
            for answer in answers:
                counting.add("hostile texts", answer.status_code, f"{field} {text!r:.80}")
        name = text.encode("utf-8", "replace").decode()[:1000]
        requests: list[tuple[str, str, dict[str, Any]]] = [("POST", path, {"files": [("image", (name, image))]})]
        requests += [
            ("POST", "/v1/inspections/1/verdicts", {"json": {"verdict": "ng", "defect_type": text, "note": text}})
        ]
        requests += [("PUT", "/v1/detectors/part/current", {"json": {"number": 1, "reason": text}})]
        requests += [("POST", "/v1/jobs", {"json": {"kind": "export", "detector": text, "reason": text}})]
        if len(text) < 10_000:
            conditions = dict.fromkeys(("tag", "part_id", "serial", "detector", "decision", "since"), text)
            requests += [("GET", "/v1/inspections", {"params": {one: value}}) for one, value in conditions.items()]
        for method, where, what in requests:
            answer = client.request(method, where, **what)
            counting.add("hostile texts", answer.status_code, f"{method} {where} {text!r:.80}")


def of_sizes(client: httpx2.Client, path: str, counting: Counting) -> None:
    """100 MB, said before and not."""
    big = b"\0" * 100_000_000
    pieces = (big[:1_000_000] for _ in range(100))
    for content in (big, pieces):
        try:
            counting.add("100 MB", client.post(path, content=content).status_code, "100 MB")
        except httpx2.TransportError:  # refused while it was sent
            counting.add("100 MB", 413, "the connection was closed")


class Fuzzed:
    """A station that is asked, and what is known so far."""

    def __init__(self, detector: Path, outside: Path) -> None:
        self.counting, self.outside, self.folder = Counting(), outside, outside / "station"
        file = outside / "part.urushi"
        file.write_bytes(detector.read_bytes())
        self.headers = {"Authorization": f"Bearer {token_of(self.folder, 'fuzzing', 'admin')}"}
        self.headers["Sec-Fetch-Site"] = "same-origin"  # as a browser says of what a page of the station sends
        self.before, self.said = places(outside), list[str]()
        self.served = Served(self.folder, file)
        threading.Thread(target=lambda: self.said.extend(self.served.process.stderr or ()), daemon=True).start()

    def ask(self, chosen: Any, note: Callable[[], None]) -> None:
        """All that is wrong, then every operation."""
        client = httpx2.Client(base_url=self.served.url, headers=self.headers, timeout=120)
        path, image = "/v1/detectors/part/inspections", fuzzing.images()["grey.png"]
        there = prepared(client, image)
        note()
        of_uploads(client, path, hostile_files(random.Random(chosen.seed), chosen.examples), self.counting)
        of_texts(client, path, image, self.counting)
        of_sizes(client, path, self.counting)
        note()
        asking = Asking(self.served.url, self.headers, chosen.examples, chosen.seed)
        of_description(asking, there, 60 * chosen.minutes, self.counting, note)

    def is_ready(self) -> bool:
        answer = httpx2.get(f"{self.served.url}/readyz", timeout=120)
        return answer.status_code == 200 and self.served.process.poll() is None

    def end(self) -> int:
        self.served.process.send_signal(signal.SIGTERM)
        return self.served.process.wait(60)

    def found(self) -> dict[str, Any]:
        """As far as it has come."""
        kinds, errors = self.counting.kinds, "".join(self.said)
        statuses = sum((one.statuses for one in kinds.values()), Counter[int]())
        return {
            "requests": statuses.total(),
            "by_status": dict(sorted(statuses.items())),
            "by_kind": {kind: one.to_json() for kind, one in sorted(kinds.items())},
            "not_got_through": [kind for kind, one in kinds.items() if not one.is_through],
            "wrong": self.counting.wrong[:100],
            "n_wrong": len(self.counting.wrong),
            "written_outside": sorted(str(path) for path in places(self.outside) - self.before),
            "tracebacks": errors.count("Traceback"),
            "warnings": errors.count("Warning:"),
            "said": errors[-6000:],
        }


def measure(chosen: Any, publish: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Publishes what is known after each kind of request."""
    with tempfile.TemporaryDirectory() as scratch:
        station = Fuzzed(chosen.detector, Path(scratch))
        try:
            station.ask(chosen, lambda: publish(station.found()))
            is_ready = station.is_ready()
        finally:
            ended = station.end()
        left = {"left_behind": len(list((station.folder / "incoming").iterdir()))}
        return station.found() | left | {"is_ready_afterwards": is_ready, "exit_status": ended}


def places(folder: Path) -> set[Path]:
    """All but the station's, whose files come and go, here and where a path that leads out would lead."""
    beside = [path for path in folder.iterdir() if path.name != "station"]
    found = {inner for path in beside for inner in (path, *path.rglob("*"))}
    return found | set(Path("/tmp").glob("*escaped*")) | set(Path.cwd().glob("*escaped*"))


def page(result: dict[str, Any]) -> str:
    row = result["found"]
    lines = ["# The station, fuzzed", "", " ".join((__doc__ or "").split("\n\n")[1].split()), ""]
    lines += [
        f"{row['requests']:,} requests, at most {result['examples']} of each kind, {row['n_wrong']} wrong answers, "
        f"{row['tracebacks']} tracebacks, {row['warnings']} warnings; written outside: {len(row['written_outside'])}; "
        f"{ending(row)}; seed {result['seed']}, {result['database']}.",
        "",
        f"Not got through in {result['minutes']:g} minutes: {', '.join(row['not_got_through']) or 'none'}.",
        "",
        "| requests | all | " + " | ".join(map(str, row["by_status"])) + " | slowest, s |",
        "|---" * (3 + len(row["by_status"])) + "|",
    ]
    every = {
        "statuses": row["by_status"],
        "slowest_seconds": max((one["slowest_seconds"] for one in row["by_kind"].values()), default=0),
    }
    for kind, one in {**row["by_kind"], "all": every}.items():
        statuses = {str(status): n for status, n in one["statuses"].items()}
        cells = [str(statuses.get(str(status), "")) for status in row["by_status"]]
        slowest = f"{one['slowest_seconds']:.1f}" if one["slowest_seconds"] else ""
        lines.append(f"| {kind} | {sum(statuses.values())} | {' | '.join(cells)} | {slowest} |")
    return "\n".join(lines)


def ending(row: dict[str, Any]) -> str:
    if "exit_status" not in row:
        return "**stopped before the end**"
    return f"left behind: {row['left_behind']}, ready afterwards: {row['is_ready_afterwards']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=60, help="of each operation, and so many damaged images")
    parser.add_argument("--minutes", type=float, default=30, help="for all operations together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="of SQLAlchemy; without, SQLite")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.database:
        os.environ["URUSHI_DATABASE"] = chosen.database
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the station ends, too
    kind = "SQLite" if chosen.database is None else chosen.database.partition("+")[0]
    asked = {"examples": chosen.examples, "minutes": chosen.minutes, "seed": chosen.seed, "database": kind}
    name = "station_fuzzing" if chosen.database is None else "station_fuzzing-postgresql"
    known = record.environment() | asked

    def publish(found: dict[str, Any]) -> None:
        path = record.write(chosen.results, name, known | {"found": found})
        path.with_suffix(".md").write_text(record.page_of(known | {"found": found}, page), "utf-8")

    publish(measure(chosen, publish))


if __name__ == "__main__":
    main()

"""python -m studies.station_fuzzing --detector exported.urushi [--examples N] [--seed N] [--database URL]

Requests to a running station that its description allows and that it does not, for every operation, made by
Schemathesis (`pip install schemathesis`, which is no part of Urushi); damaged images of every format, bombs, a body of
100 MB, and paths, HTML and SQL in every text field. Right is an answer below 500, or 501 and 507, which say what is
missing; nothing may be written outside the folder of the station. Results: studies/results/station_fuzzing.json, .md.
"""

import argparse
import gzip
import io
import os
import random
import signal
import struct
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
from benchmarks import record
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable

from studies import RESULTS, fuzzing
from studies.station_kills import Served, token_of

HARMLESS = {501, 507}
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
QUIETLY: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "verbosity": Verbosity.quiet,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
PRESENT = {"name": "part", "number": 1}
FIELDS = ("part_id", "serial", "station", "shift", "tag", "source")


class Counting:
    """What was answered, by kind of request and status, and each answer that is not right."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[int]] = {}
        self.wrong: list[dict[str, Any]] = []

    def add(self, kind: str, status: int, what: str) -> None:
        self.statuses.setdefault(kind, Counter())[status] += 1
        if status >= 500 and status not in HARMLESS:
            self.wrong.append({"kind": kind, "status": status, "request": what[:600]})


def of_description(url: str, headers: dict[str, str], examples: int, number: int, counting: Counting) -> None:
    """Requests for each operation, as it is described and otherwise."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for result in schema.get_all_operations():
        operation = result.ok()
        named = {parameter.name: PRESENT[parameter.name] for parameter in operation.path_parameters}
        for mode in schemathesis.GenerationMode:
            kind = f"{operation.label}, {mode.value}"
            drawn = operation.as_strategy(generation_mode=mode)
            of_operation(kind, drawn, headers, (examples, number), counting)
            if named:  # what is drawn is seldom there
                drawn = operation.as_strategy(generation_mode=mode, path_parameters=named)
                of_operation(f"{kind}, of what is there", drawn, headers, (examples, number), counting)


def of_operation(kind: str, cases: Any, headers: dict[str, str], how: tuple[int, int], counting: Counting) -> None:
    """So many requests, by a seed."""
    examples, number = how

    @seed(number)
    @settings(max_examples=examples, **QUIETLY)
    @given(case=cases)
    def send(case: Any) -> None:
        try:
            answer = case.call(headers=headers, timeout=60)
        except (ValueError, UnicodeError):  # what no client can send
            return
        what = f"{answer.request.method} {answer.request.url} {answer.request.body!r:.300}"
        counting.add(kind, answer.status_code, what)

    with suppress(Unsatisfiable):  # there are operations with nothing to get wrong
        send()


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
        requests = [("POST", path, {"files": [("image", (name, image))]})]
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


def measure(detector: Path, examples: int, number: int) -> dict[str, Any]:
    counting, rng = Counting(), random.Random(number)
    with tempfile.TemporaryDirectory() as scratch:
        outside = Path(scratch)
        folder, file = outside / "station", outside / "part.urushi"
        file.write_bytes(detector.read_bytes())
        headers = {"Authorization": f"Bearer {token_of(folder, 'fuzzing', 'admin')}"}
        before = places(outside)
        served, said = Served(folder, file), list[str]()
        threading.Thread(target=lambda: said.extend(served.process.stderr or ()), daemon=True).start()
        client = httpx2.Client(base_url=served.url, headers=headers, timeout=120)
        path = "/v1/detectors/part/inspections"
        image = fuzzing.images()["grey.png"]
        of_uploads(client, path, hostile_files(rng, examples), counting)
        of_texts(client, path, image, counting)
        of_sizes(client, path, counting)
        of_description(served.url, headers, examples, number, counting)
        health = client.get("/readyz").status_code
        status = served.process.poll()
        served.process.send_signal(signal.SIGTERM)
        ended = served.process.wait(60)
        added = sorted(str(path) for path in places(outside) - before)
        strays = list((folder / "incoming").iterdir())
    errors = "".join(said)
    return {
        "requests": sum(sum(one.values()) for one in counting.statuses.values()),
        "by_status": dict(sorted(sum(counting.statuses.values(), Counter()).items())),
        "by_kind": {kind: dict(sorted(one.items())) for kind, one in sorted(counting.statuses.items())},
        "wrong": counting.wrong[:100],
        "n_wrong": len(counting.wrong),
        "written_outside": added,
        "left_behind": len(strays),
        "is_ready_afterwards": health == 200 and status is None,
        "exit_status": ended,
        "tracebacks": errors.count("Traceback"),
        "said": errors[-6000:] if counting.wrong else "",
    }


def places(folder: Path) -> set[Path]:
    """All but the station's, here and where a path that leads out would lead."""
    found = {path for path in folder.rglob("*") if "station" not in path.relative_to(folder).parts}
    return found | set(Path("/tmp").glob("*escaped*")) | set(Path.cwd().glob("*escaped*"))


def page(result: dict[str, Any]) -> str:
    row = result["found"]
    lines = ["# The station, fuzzed", "", " ".join((__doc__ or "").split("\n\n")[1].split()), ""]
    lines += [
        f"{row['requests']:,} requests, {row['n_wrong']} wrong answers, {row['tracebacks']} tracebacks; "
        f"written outside: {len(row['written_outside'])}, left behind: {row['left_behind']}; "
        f"ready afterwards: {row['is_ready_afterwards']}; seed {result['seed']}, {result['database']}.",
        "",
        "| requests | " + " | ".join(map(str, row["by_status"])) + " |",
        "|---" * (1 + len(row["by_status"])) + "|",
    ]
    for kind, statuses in {**row["by_kind"], "all": row["by_status"]}.items():
        cells = [str(statuses.get(status, "")) for status in row["by_status"]]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=60, help="of each operation, and so many damaged images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="of SQLAlchemy; without, SQLite")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.database:
        os.environ["URUSHI_DATABASE"] = chosen.database
    kind = "SQLite" if chosen.database is None else chosen.database.partition("+")[0]
    found = measure(chosen.detector, chosen.examples, chosen.seed)
    asked = {"examples": chosen.examples, "seed": chosen.seed, "database": kind}
    name = "station_fuzzing" if chosen.database is None else "station_fuzzing-postgresql"
    record.publish(chosen.results, name, record.environment() | record.commit() | asked | {"found": found}, page)


if __name__ == "__main__":
    main()

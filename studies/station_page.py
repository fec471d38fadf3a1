"""How soon the page of a station answers with a long history, and what its pages weigh.

    python -m studies.station_page --detector part.urushi --images demo/images/test --rows 50000

A few images are inspected; further rows are copies of theirs with scores, times, shifts and verdicts drawn. Scores are
those of the detector's held-out images, resampled and spread, 2 % of them doubled; 5 % have a verdict. Then each page
is asked for in turn, over HTTP, from another process than the station's, once warm. Weights are those of all files that
a browser loads, without images.
"""

import argparse
import re
import signal
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from benchmarks import record
from sqlalchemy import insert, select, text

from studies.station_kills import Served, token_of
from urushi.data.images import IMAGE_SUFFIXES
from urushi.serving.client import Client
from urushi.serving.database import now
from urushi.serving.station import Station, open_database
from urushi.serving.tables import Inspected, Tag, Verdict

N_ROUNDS, N_IMAGES, DAYS = 7, 12, 30
COSTS = "prevalence=0.01&escape_cost=50&false_alarm_cost=1"
PAGES = {
    "live": "/",
    "gallery, worst first": "/gallery",
    "gallery, page in the middle": "/gallery?cursor={middle}",
    "gallery, newest first": "/gallery?order=newest",
    "gallery, normal ones": "/gallery?decision=normal",
    "gallery, a rare tag": "/gallery?tag=rare",
    "gallery, a type of defect": "/gallery?defect_type=scratch",
    "gallery, the last day": "/gallery?hours=24",
    "gallery, judged differently": "/gallery?is_disputed=true",
    "one image": "/images/{middle}",
    "review": "/review",
    "threshold": "/threshold",
    "threshold, with costs": f"/threshold?{COSTS}",
    "re-calibration, a preview": "/recalibration?rule=youden",
    "trends by hour, 7 days": "/trends",
    "trends by day, 90 days": "/trends?by=day&hours=2160",
    "trends by shift, 90 days": "/trends?by=shift&hours=2160",
    "detectors": "/detectors",
}


def filled(folder: Path, n_rows: int, seed: int) -> int:
    """Adds rows to those that are there, and gives the id of one in the middle of the scores."""
    station, rng = Station.open(folder), np.random.default_rng(seed)
    detector = station.detectors.get(station.detectors.names()[0]).detector
    with station.database.reading() as session:
        seen = [one for one in session.scalars(select(Inspected)) if one.score is not None]
    sure = np.array(detector.held_out.scores)
    scores = rng.choice(sure, n_rows) * rng.uniform(0.9, 1.02, n_rows)
    scores[rng.random(n_rows) < 0.02] *= 2
    end, first = now(), max(one.id for one in seen) + 1
    values = [
        _row(seen[at % len(seen)], first + at, score, detector.threshold.decide(score))
        for at, score in enumerate(scores)
    ]
    for at, row in enumerate(values):
        row["time"] = end - timedelta(days=DAYS) * (1 - at / n_rows)
        row["shift"], row["station"] = ("early", "late", "night")[at // 2000 % 3], f"cell {at % 4}"
    tags = [{"inspected_id": row["id"], "text": "rare" if at % 2500 == 7 else "day"} for at, row in enumerate(values)]
    judged = [row for row in values if rng.random() < 0.05]
    with station.database.writing() as session:
        session.execute(insert(Inspected), values)
        session.execute(insert(Tag), tags)
        session.execute(insert(Verdict), [_verdict(row) for row in judged])
    station.close()
    return int(values[int(np.argsort(scores)[n_rows // 2])]["id"])


def _row(like: Inspected, number: int, score: float, decision: str) -> dict[str, Any]:
    names = ("detector", "version_id", "source", "author", "seconds", "original", "evidence", "n_bytes")
    details = like.details | {"score": score, "decision": decision}
    more = {"id": number, "score": float(score), "decision": decision, "part_id": f"P-{number}", "serial": str(number)}
    return {name: getattr(like, name) for name in names} | more | {"details": details}


def _verdict(row: dict[str, Any]) -> dict[str, Any]:
    is_ng = row["decision"] == "anomalous" and row["id"] % 5 > 0
    kind = (
        {"verdict": "ng", "defect_type": "scratch" if row["id"] % 3 else "dent"}
        if is_ng
        else {"verdict": "ok", "defect_type": None}
    )
    return {"inspected_id": row["id"], "note": None, "author": "anna", "time": row["time"], **kind}


def measured(url: str, token: str, middle: int) -> list[dict[str, Any]]:
    """The answer times of each page, and what it weighs."""
    with httpx2.Client(base_url=url, timeout=120, headers={"Sec-Fetch-Site": "same-origin"}) as http:
        assert http.post("/login", data={"token": token}).status_code == 303
        paths = {name: path.format(middle=middle) for name, path in PAGES.items()}
        times = record.interleave(
            {name: partial(_seconds, http, path) for name, path in paths.items()}, N_ROUNDS, n_warm_up=1
        )
        return [
            {"page": name, "path": PAGES[name], "milliseconds": record.spread([1000 * one for one in times[name]])}
            | _weight(http, path)
            for name, path in paths.items()
        ]


def _seconds(http: httpx2.Client, path: str) -> float:
    start = time.perf_counter()
    answer = http.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return time.perf_counter() - start


def _weight(http: httpx2.Client, path: str) -> dict[str, int]:
    """In bytes: the page, and with the files that it names and those that these import."""
    page = http.get(path).text
    waiting, seen = re.findall(r'(?:src|href)="(/static/[^"]+)"', page), {}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name] = http.get(name).text
            waiting += [f"{name.rpartition('/')[0]}/{one}" for one in re.findall(r'from "\./([\w.]+)"', seen[name])]
    return {
        "bytes": len(page.encode()),
        "bytes_with_files": len(page.encode()) + sum(len(one.encode()) for one in seen.values()),
    }


def plans(folder: Path, middle: int) -> dict[str, list[str]]:
    """How SQLite finds what the gallery asks for."""
    ordered, last = "ORDER BY score DESC, id DESC LIMIT 49", f"(score, id) < (40.0, {middle})"
    asked = {
        "worst first": f"detector='x' AND score IS NOT NULL {ordered}",
        "page in the middle": f"detector='x' AND score IS NOT NULL AND {last} {ordered}",
        "newest first": "detector='x' ORDER BY id DESC LIMIT 49",
    }
    database = open_database(folder)
    with database.reading() as session:
        found = {
            name: [
                str(row[3])
                for row in session.execute(text(f"EXPLAIN QUERY PLAN SELECT * FROM inspected WHERE {where}"))
            ]
            for name, where in asked.items()
        }
    database.close()
    return found


def markdown(found: dict[str, Any]) -> str:
    """The record as a page."""
    lines = [
        "# Answers of the station's page with a long history",
        "",
        f"{found['n_rows']:,} inspections in SQLite, {N_ROUNDS} rounds over all pages in turn, one client, over HTTP.",
        "Sizes are without images.",
        "",
        "| page | median, ms | quartiles, ms | page, kB | with its files, kB |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        spread = row["milliseconds"]
        low, high = spread["quartiles"]
        sizes = f"{row['bytes'] / 1000:.0f} | {row['bytes_with_files'] / 1000:.0f}"
        lines.append(f"| {row['page']} | {spread['median']:.0f} | {low:.0f} to {high:.0f} | {sizes} |")
    facts = f"`{found['command']}`, commit {found['commit']}, {found['cpu']}, {found['n_usable_cores']} cores"
    load = f"load average before: {found['load_average_1_min_before']}"
    return "\n".join([*lines, "", f"{facts}; {load}. The machine did other work beside."]) + "\n"


def main() -> None:
    """Fill, serve, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="exported, so that a station needs no PyTorch")
    parser.add_argument("--images", type=Path, required=True, help="a few of them are inspected")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--results", type=Path, default=Path("studies/results"))
    options, environment = parser.parse_args(), record.environment()
    images = sorted(path for path in options.images.rglob("*") if path.suffix in IMAGE_SUFFIXES)
    images = images[:: max(1, len(images) // N_IMAGES)][:N_IMAGES]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "station"
        Station.open(folder, [options.detector]).close()
        token = token_of(folder, "anna", "admin")
        served = Served(folder, options.detector)
        with httpx2.Client(base_url=served.url, timeout=60) as http:
            Client(served.url, token, http=http).inspect(options.detector.stem, images)
        served.end(signal.SIGTERM)
        middle = filled(folder, options.rows, seed=0)
        served = Served(folder, options.detector)
        rows = measured(served.url, token, middle)
        served.end(signal.SIGTERM)
        found = environment | {"n_rows": options.rows, "rows": rows, "plans": plans(folder, middle)}
    record.publish(options.results, "station_page", found, markdown)


if __name__ == "__main__":
    main()

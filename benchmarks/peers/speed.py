"""Inspection from disk, by the whole process and by the call alone.

A folder of N test images of a category. Whole process: a fresh interpreter that loads the detector and inspects the
folder: `urushi inspect` in each runtime, with JSON lines for its output; for anomalib a script that loads a checkpoint
and calls `Engine.predict`, with neither pictures nor metrics. Call alone: what is left when imports and loading are
taken off, by a clock inside the process. In turn, A B C A B C …
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.peers import environment

RUNTIMES = ("torch", "onnx", "openvino")
AT_LEAST = 5.0
COMMAND = str(Path(sys.executable).with_name("urushi"))
CALL = """
import sys, time
from collections import deque
from pathlib import Path
from urushi import Detector
detector = Detector.load(sys.argv[1], runtime=sys.argv[2])
paths = sorted(Path(sys.argv[3]).iterdir())
start = time.monotonic()
deque(detector.inspect_many(paths), maxlen=0)
print("seconds", time.monotonic() - start)
"""

Timed = Callable[[], tuple[float, float]]  # seconds of the whole process and of the call


def ours(detector: Path, folder: Path, runtime: str) -> Timed:
    def measure() -> tuple[float, float]:
        options = ["--format", "jsonl", "--runtime", runtime, "--out", str(folder.parent / "out")]
        whole, _ = timed([COMMAND, "inspect", str(detector), str(folder), *options])
        _, printed = timed([sys.executable, "-c", CALL, str(detector), runtime, str(folder)])
        return whole, seconds(printed)

    return measure


def anomalib(python: Path, model: str, folder: Path, n: int) -> Timed:
    def measure() -> tuple[float, float]:
        script = str(environment.HERE / "anomalib_worker.py")
        whole, printed = timed([str(python), script, "predict", model, str(folder.parent), str(n)])
        return whole, seconds(printed)

    return measure


def timed(command: list[str]) -> tuple[float, str]:
    start = time.monotonic()
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.monotonic() - start, found.stdout


def seconds(printed: str) -> float:
    found = re.search(r"^seconds ([\d.]+)", printed, re.MULTILINE)
    assert found is not None, printed
    return float(found[1])


def export(detector: Path, images: Path) -> None:
    """Graphs into the detector file, for the runtimes that need them."""
    for engine in RUNTIMES[1:]:
        command = [COMMAND, "export", str(detector), "--to", engine, "--images", str(images)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def rows(found: dict[str, list[tuple[float, float]]], n: int) -> list[dict[str, Any]]:
    """Images per second of each, and how many times those of anomalib's fastest urushi's are."""
    rates = {
        name: [[n / whole for whole, _ in times], [n / call for _, call in times]] for name, times in found.items()
    }
    fastest = max((name for name in rates if name.startswith("anomalib")), key=lambda name: max(rates[name][0]))
    made = []
    for name, (whole, call) in rates.items():
        row = {"contestant": name, "whole_process": record.spread(whole), "call": record.spread(call)}
        if name.startswith("urushi"):
            row["ratio"] = record.judged(record.ratio(whole, rates[fastest][0]), at_least=AT_LEAST)
            row |= {"reference": fastest, "call_ratio": record.ratio(call, rates[fastest][1])}
        made.append(row)
    return made


COLUMNS = ("contestant", "img/s whole process", "img/s call", "whole process over anomalib's fastest", "call")


def cells(found: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for row in found:
        rates = [f"{row[key]['median']:.2f}" for key in ("whole_process", "call")]
        ratios = [record.ratio_cell(row[key]) if key in row else "" for key in ("ratio", "call_ratio")]
        rows.append([row["contestant"], *rates, *ratios])
    return rows

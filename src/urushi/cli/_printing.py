"""Results on stdout as they come: a table for people, JSON or CSV for programs."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from urushi.inspection import Cautions, Decision, Inspection, Unreadable
from urushi.printable import cell, printable

if TYPE_CHECKING:
    from urushi.detector import Detector

Show = Callable[[Inspection | Unreadable], None]
_COLUMNS = (
    "source",
    "decision",
    "score",
    "threshold",
    "p_value",
    "n_regions",
    "boxes",
    "defect_type",
    "reason",
    "caution",
)
_MARKS = {"normal": "  ok  ", "unsure": " unsure", "anomalous": "ANOMALY"}
_COLOURS = {"unsure": "yellow", "anomalous": "red"}


@contextmanager
def printer(output_format: str, detector: "Detector", *, outlives_reader: bool) -> Iterator[Show]:
    """A function that prints one result; what goes around the results is printed on entry and exit.

    A reader that closes the pipe ends the run with BrokenPipeError, unless the run has more to do than print.
    """

    def patient(result: Inspection | Unreadable) -> None:
        try:
            show(result)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not outlives_reader:
                raise

    with {"table": _table, "json": _json, "csv": _csv, "jsonl": _json_lines}[output_format](detector) as show:
        yield patient


@contextmanager
def _table(detector: "Detector") -> Iterator[Show]:
    warn = detector.threshold.warn_value
    limits = f"threshold {detector.threshold.value:.6g}" + ("" if warn is None else f", unsure above {warn:.6g}")
    print(f"{'decision':9} {'score':>12} {'p-value':>8}  image   ({limits})")

    def show(result: Inspection | Unreadable) -> None:
        if isinstance(result, Inspection):
            named = f"  [{printable(result.defect_type)}]" if result.defect_type else ""
            mark = _coloured(f"{_MARKS[result.decision]:9}", result.decision)
            print(f"{mark} {result.score:12.6g} {result.p_value:8.4f}  {printable(result.source)}{named}")

    yield show


def _coloured(mark: str, decision: Decision) -> str:
    """Red and yellow on a terminal, unless that shows none or they are not wanted (https://no-color.org)."""
    is_plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if is_plain or decision not in _COLOURS:
        return mark
    word = mark.strip()
    return mark.replace(word, typer.style(word, fg=_COLOURS[decision], bold=True))


@contextmanager
def _csv(detector: "Detector") -> Iterator[Show]:  # noqa: ARG001
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)

    def show(result: Inspection | Unreadable) -> None:
        if isinstance(result, Unreadable):
            writer.writerow([cell(result.source), *[""] * 7, cell(result.reason), ""])
        else:
            numbers = [result.score, result.threshold, result.p_value, len(result.regions), _boxes(result)]
            texts = [cell(result.defect_type or ""), "", cell(result.caution or "")]
            writer.writerow([cell(result.source), result.decision, *numbers, *texts])

    yield show


@contextmanager
def _json(detector: "Detector") -> Iterator[Show]:
    """One object as in inspection.schema.json, written piece by piece, so that memory does not grow."""
    unreadable: list[dict[str, str]] = []
    cautions, separator = Cautions(), ""
    print(f'{{"format": 1, "threshold": {json.dumps(detector.threshold.to_json())}, "results": [', end="")

    def show(result: Inspection | Unreadable) -> None:
        nonlocal separator
        cautions.add(result)
        if isinstance(result, Unreadable):
            unreadable.append({"source": _utf8(result.source), "reason": result.reason})
            return
        print(separator + "\n" + json.dumps({**result.to_json(), "source": _utf8(result.source)}), end="")
        separator = ","

    yield show
    warnings = [_utf8(line) for line in cautions.lines()]
    print(f'\n], "unreadable": {json.dumps(unreadable)}, "warnings": {json.dumps(warnings)}}}')


@contextmanager
def _json_lines(detector: "Detector") -> Iterator[Show]:  # noqa: ARG001
    """One line per image as in inspection-line.schema.json, unreadable ones among them, with the time."""

    def show(result: Inspection | Unreadable) -> None:
        values = result.to_json() if isinstance(result, Inspection) else {"reason": result.reason}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({**values, "source": _utf8(result.source), "inspected_at": now}), flush=True)

    yield show


def _boxes(result: Inspection) -> str:
    """Of the regions, highest peak first: x, y, width, height in px of the original image, and the peak."""
    return "; ".join(f"{r.x} {r.y} {r.width} {r.height} {r.peak:.6g}" for r in result.regions)


def _utf8(name: str) -> str:
    """A name that can be written; bytes that are no UTF-8 appear as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()

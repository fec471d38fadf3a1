"""`urushi inspect --engine ray`: many images by many workers, into a folder of parts."""

import hashlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from urushi.cli import _console, _interrupts
from urushi.cli._datasets import note_problems
from urushi.data.progress import tracked
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.detector import Detector

_TITLE = "Inspection by Urushi, in parts"
_ABOUT = "Each part is whole. The same command writes those that are missing."


class PartsAs(StrEnum):
    """How parts are written."""

    parquet = "parquet"
    jsonl = "jsonl"


def inspect_on_ray(
    detector: "Detector", paths: Sequence[Path], out: Path, *, parts_as: PartsAs, size: int,
    n_workers: int | None, address: str | None, fail_on_anomaly: bool,
) -> NoReturn:  # fmt: skip
    """Writes what is missing, says how many images are what, and ends with the status that follows."""
    from urushi.data.samples import Problem
    from urushi.data.writing import claim, finish
    from urushi.distributed.inspection import Pool
    from urushi.distributed.parts import Part, PartFolder, parts, sources

    if detector.file is None:
        raise ValueError("a detector that was loaded has a file")
    digest = hashlib.sha256(detector.file.read_bytes()).hexdigest()
    _require_images(paths)
    found, problems, n_parts = sources(paths), list[Problem](), 0

    def images() -> Iterator[str]:
        for one in found:
            if isinstance(one, Problem):
                problems.append(one)
            else:
                yield one

    def planned() -> Iterator[Part]:
        nonlocal n_parts
        for part in parts(images(), size, digest):
            n_parts += 1
            yield part

    claim(out, _TITLE, _ABOUT)
    pool = Pool(detector, PartFolder(out, parts_as.value), n_workers, address)
    tally = _Tally()
    with _interrupts.leaving(lambda: f"parts in {out} are whole; the same command writes the others"):
        for rows in tracked(pool.inspect(planned()), "inspecting parts"):
            tally.add(rows)
    note_problems(problems)
    _end(out, pool, tally, n_parts)
    finish(out)
    raise typer.Exit(tally.status(fail_on_anomaly=fail_on_anomaly, n_problems=len(problems)))


def _require_images(paths: Sequence[Path]) -> None:
    """Raises DatasetError where there are none, before anything is started."""
    from urushi.distributed.parts import sources
    from urushi.errors import DatasetError

    if not [path for path in paths if next(sources([path]), None) is not None]:
        raise DatasetError("there are no images in what was given; give folders, images or lists of paths")


def _end(out: Path, pool: Any, tally: "_Tally", n_parts: int) -> None:
    from urushi.errors import InputError

    _console.note(tally.line())
    if pool.lost:
        raise InputError("\n".join([*pool.lost, "All other parts are written; the same command tries these again."]))
    if n := pool.folder.n_beyond(n_parts):
        _console.note(f"warning: {counted(n, 'part')} in {printable(str(out))} came of more images than were given now")
    print(printable(f"{out}: {counted(n_parts, 'part')}, {counted(tally.n, 'image')} inspected now"))


class _Tally:
    """What the images of the parts that were written now are."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            name = row.get("decision", "not read")
            self.counts[name] = self.counts.get(name, 0) + 1
            if name == "not read":
                _console.note(f"not read: {printable(row['source'])}: {printable(row['reason'])}")

    def line(self) -> str:
        names = ("normal", *(name for name in ("unsure",) if name in self.counts), "anomalous", "not read")
        return ", ".join(f"{self.counts.get(name, 0)} {name}" for name in names)

    def status(self, *, fail_on_anomaly: bool, n_problems: int) -> int:
        if fail_on_anomaly and self.counts.get("anomalous"):
            return 3
        return 1 if n_problems or self.counts.get("not read") else 0

"""The history as a table: CSV, JSON lines or Parquet, written row by row into a file that is whole or not there."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from urushi import atomic_file
from urushi.catalogue.extras import require
from urushi.data.stream import batches
from urushi.errors import InputError
from urushi.printable import spreadsheet_cell
from urushi.serving.history import plain
from urushi.serving.tables import Inspected

Write = Callable[[Path, Iterable[Inspected]], int]
_NUMBERS = ("score", "threshold", "p_value", "seconds")
_COUNTS = ("id", "version", "n_regions")
COLUMNS = (
    *("id", "time", "detector", "version", "decision", "score", "threshold", "p_value", "n_regions", "source"),
    *("part_id", "serial", "station", "shift", "tags", "verdict", "defect_type", "note", "reviewer", "reviewed"),
    *("reason", "author", "seconds"),
)


def writer(path: Path) -> Write:
    """What writes a file with this suffix, and gives the number of rows; raises InputError, MissingPackageError."""
    if path.suffix == ".parquet":
        require("pyarrow", "parquet")
    found = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}.get(path.suffix)
    if found is None:
        raise InputError(f"{path.name} has no suffix that says its format; give .csv, .jsonl or .parquet")
    return found


def _csv(path: Path, rows: Iterable[Inspected]) -> int:
    def lines() -> Iterator[str]:
        yield _line(COLUMNS)
        for row in rows:
            yield _line(_cell(value) for value in _flat(row).values())

    return _written(path, lines()) - 1


def _json_lines(path: Path, rows: Iterable[Inspected]) -> int:
    return _written(path, (json.dumps(plain(row), default=datetime.isoformat) + "\n" for row in rows))


def _parquet(path: Path, rows: Iterable[Inspected]) -> int:
    import pyarrow
    from pyarrow import parquet

    kinds = dict.fromkeys(_NUMBERS, pyarrow.float64()) | dict.fromkeys(_COUNTS, pyarrow.int64())
    kinds |= dict.fromkeys(("time", "reviewed"), pyarrow.timestamp("us", tz="UTC"))
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    n_rows, draft = 0, path.with_name(f".{path.name}.part")
    try:
        with parquet.ParquetWriter(draft, schema) as file:
            for some in batches(map(_flat, rows), 1000):
                file.write_table(pyarrow.Table.from_pylist(some, schema=schema))
                n_rows += len(some)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return n_rows


def _flat(row: Inspected) -> dict[str, Any]:
    """One value for each column."""
    found = plain(row)
    said = found.pop("verdict") or {}
    more = {"verdict": said.get("verdict"), "reviewer": said.get("author"), "reviewed": said.get("time")}
    more |= {"defect_type": said.get("defect_type") or found.get("defect_type"), "note": said.get("note")}
    n_regions = len(found["regions"]) if "regions" in found else None
    values = {**found, **more, "n_regions": n_regions, "tags": "; ".join(found["tags"])}
    return {name: values.get(name) for name in COLUMNS}


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return spreadsheet_cell(value) if isinstance(value, str) else value


def _line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(list(values))
    return buffer.getvalue()


def _written(path: Path, lines: Iterable[str]) -> int:
    n_lines = 0
    try:
        with atomic_file.growing(path) as file:
            for line in lines:
                file.write(line)
                n_lines += 1
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return n_lines

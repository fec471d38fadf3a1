"""Results in parts: which images are in each, and files of which each is whole or not there."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from urushi import atomic_file
from urushi.catalogue.extras import require
from urushi.data.folders import find_images
from urushi.data.samples import Problem
from urushi.errors import DatasetError, InputError

Suffix = Literal["parquet", "jsonl"]
Row = dict[str, Any]  # what an inspection is as JSON, or the source and the reason why it is none
_LISTS = (".txt", ".parquet")
_NAME = re.compile(r"part-(\d+)-[0-9a-f]{8}\.(?:parquet|jsonl)")


@dataclass(frozen=True)
class Part:
    """Some of the images, by their absolute paths, and the detector that looks at them, by its digest."""

    number: int
    sources: tuple[str, ...]
    detector: str

    @property
    def stem(self) -> str:
        """Its name, which no part of other images or of another detector has."""
        digest = hashlib.sha256("\n".join((self.detector, *self.sources)).encode("utf-8", "surrogateescape"))
        return f"part-{self.number:06d}-{digest.hexdigest()[:8]}"


def parts(sources: Iterable[str], size: int, detector: str) -> Iterator[Part]:
    """Always the same ones of the same images in the same order."""
    left, number = iter(sources), 0
    while some := tuple(islice(left, size)):
        yield Part(number, some, detector)
        number += 1


def sources(paths: Sequence[Path]) -> Iterator[str | Problem]:
    """Absolute paths of the images below folders, and those listed in text files (one a line) and Parquet files.

    What cannot be searched is a Problem. Lists and folders are read as they are needed. Raises DatasetError.
    """
    return chain.from_iterable(_listed(path) if path.suffix.lower() in _LISTS else _below(path) for path in paths)


def _below(path: Path) -> Iterator[str | Problem]:
    for found in find_images([path]):
        yield found if isinstance(found, Problem) else str(found.absolute())


def _listed(path: Path) -> Iterator[str | Problem]:
    """Paths in a list start where the list lies."""
    lines = _of_parquet(path) if path.suffix.lower() == ".parquet" else _of_text(path)
    return (one if isinstance(one, Problem) else str((path.parent / one).absolute()) for one in lines)


def _of_text(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:  # as Windows' editors write it, too
            yield from (line.rstrip("\r\n") for line in file if line.strip())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from None


def _of_parquet(path: Path) -> Iterator[str | Problem]:
    require("pyarrow", "ray")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(columns=[_column(path, file.schema_arrow)])
            rows = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
            yield from (one or Problem(path, f"row {n} has no path") for n, one in enumerate(rows, 1))
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _column(path: Path, schema: Any) -> str:
    """The column of paths; raises DatasetError."""
    names = [field.name for field in schema if _is_text(field.type)]
    if "path" not in names and len(names) != 1:
        has = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise DatasetError(f"{path} has no column of text called path; it has: {has}")
    return "path" if "path" in names else names[0]


def _is_text(kind: Any) -> bool:
    """Also where each value stands once, as pandas writes categories."""
    from pyarrow import types

    one = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(one) or types.is_large_string(one) or types.is_string_view(one))


@dataclass(frozen=True)
class PartFolder:
    """A folder of parts; what is written is never written again."""

    folder: Path
    suffix: Suffix

    @cached_property
    def _there(self) -> dict[int, str]:
        return {int(found[1]): path.name for path in self.folder.iterdir() if (found := _NAME.fullmatch(path.name))}

    def has(self, part: Part) -> bool:
        """Whether it is written; raises InputError if its place is taken by one of other images or another detector."""
        there = self._there.get(part.number)
        if there is not None and there != self._path(part).name:
            raise InputError(
                f"{self.folder / there} is of other images, another detector or another format; give a new folder"
            )
        return there is not None

    def n_beyond(self, n_parts: int) -> int:
        """How many parts lie there that are none of so many."""
        return sum(number >= n_parts for number in self._there)

    def write(self, part: Part, rows: Sequence[Row]) -> None:
        """Whole or not at all; raises InputError."""
        content = _as_parquet(rows) if self.suffix == "parquet" else _as_lines(rows)
        try:
            atomic_file.replace(self._path(part), content)
        except OSError as error:
            raise InputError(f"{self._path(part)} cannot be written: {error.strerror}") from None

    def _path(self, part: Part) -> Path:
        return self.folder / f"{part.stem}.{self.suffix}"


def _as_lines(rows: Sequence[Row]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode("utf-8", "backslashreplace")


def _as_parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows], schema=_schema(pa)), written)
    return written.getvalue()


def _flat(row: Row) -> Row:
    """Without what all rows share; regions as JSON."""
    regions = row.get("regions")
    text = None if regions is None else json.dumps(regions)
    source = row["source"].encode("utf-8", "backslashreplace").decode()
    return {**row, "source": source, "n_regions": None if regions is None else len(regions), "regions": text}


def _schema(pa: Any) -> Any:
    texts, numbers = ("source", "decision", "regions", "caution", "reason"), ("score", "threshold", "p_value")
    fields = [*((name, pa.string()) for name in texts), *((name, pa.float64()) for name in numbers)]
    return pa.schema([*fields, ("n_regions", pa.int32())])

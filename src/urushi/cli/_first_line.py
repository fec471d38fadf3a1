"""The first line of every command that takes files: which of them it reads, or else where it writes.

It is said before the command begins, since what decodes and computes takes its time to load, and a large file to read.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from urushi.cli import _console
from urushi.printable import printable

_WRITTEN = {"out", "output", "page", "plots", "report", "json_file", "station_folder"}
_MOST_NAMED = 3
_MB = 10**6


def tell(parameters: Mapping[str, Any]) -> None:
    """On stderr, by the parameters of the command; of files that are not there an error will tell."""
    read = [path for path in _paths(parameters, written=False) if path.exists()]
    written = list(_paths(parameters, written=True))
    if read:
        _console.note(f"reading {_named(read)}")
    elif written:
        _console.note(f"writing to {_named(written)}")


def _paths(parameters: Mapping[str, Any], *, written: bool) -> Iterator[Path]:
    for name, value in parameters.items():
        if (name in _WRITTEN) == written:
            yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Path))


def _named(paths: list[Path]) -> str:
    n_more = len(paths) - _MOST_NAMED
    more = f" and {n_more:,} more" if n_more > 0 else ""
    return ", ".join(map(_shown, islice(paths, _MOST_NAMED))) + more


def _shown(path: Path) -> str:
    """Folders end in a slash; of a large file, which takes its time, the size."""
    name = printable(str(path))
    if path.is_dir():
        return f"{name.rstrip('/')}/"
    size = path.stat().st_size if path.is_file() else 0
    return f"{name} ({size / _MB:.1f} MB)" if size >= _MB else name

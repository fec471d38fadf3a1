"""A study as jobs, one after another: an interrupted study goes on with the jobs that have no row yet."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import record

Row = dict[str, Any]


def run(
    study: tuple[Path, str],
    jobs: Iterable[Row],
    measure: Callable[..., Iterator[Row]],
    markdown: Callable[[dict[str, Any]], str],
    *,
    about: str,
    settings: dict[str, Any] | None = None,
) -> list[Row]:
    """Rows of all jobs; JSON and page, by folder and name of the study, are rewritten after each.

    A job is the first columns of its rows, and the arguments of `measure`. Rows of other settings are not kept.
    """
    settings, environment = settings or {}, record.environment()
    rows = record.earlier_rows(*study, **settings)
    for job in jobs:
        if not any(job.items() <= row.items() for row in rows):
            rows += [record.tidy(job | row | record.commit()) for row in measure(**job)]
        record.publish(*study, environment | settings | {"about": about, "rows": rows}, markdown)
    return rows

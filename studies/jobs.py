"""A study as jobs, one after another: an interrupted study goes on with the jobs that have no row yet."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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


def named(study: str, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The name of a study's files: other settings than the defaults get files of their own, and replace no rows."""
    return "-".join([study, *(f"{name}-{value}" for name, value in settings.items() if value != defaults[name])])


@contextmanager
def kept(checkpoints: Path | None, fit: str) -> Iterator[dict[str, Any]]:
    """The arguments with which a fit goes on from what an interrupted one left; when it is done, nothing is left."""
    if checkpoints is None:
        yield {}
        return
    from urushi.training.run_folder import is_unfinished

    folder = checkpoints / fit.replace(" ", "_")
    yield {"folder": folder, "resume": is_unfinished(folder)}
    shutil.rmtree(folder)

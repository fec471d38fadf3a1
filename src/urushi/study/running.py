"""A study from file to results: what is measured already is kept, and all results are computed from the records."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from urushi.data.dataset import Dataset
from urushi.data.writing import finish
from urushi.errors import InputError
from urushi.jobs import Engine
from urushi.printable import counted
from urushi.reporting.page import write_whole
from urushi.study import page, pictures
from urushi.study.collecting import Results, Watch, collect, said, so_far
from urushi.study.drawing import measured
from urushi.study.headline import headline
from urushi.study.measuring import labelled
from urushi.study.plan import Study
from urushi.study.records import Record
from urushi.study.summary import Summary
from urushi.study.table import Table
from urushi.study.tables import tables


def run(
    study: Study,
    data: Path,
    out: Path,
    watch: Watch,
    engine: Engine,
    budget_seconds: float | None = None,
) -> Results:
    """Measures every run that has no record yet, and writes the results.

    `data` is the folder that those of the study are below. A run that fails, or takes longer than its budget, is a
    failure among the results, and the others go on. Raises DatasetError, InputError, RecipeError before anything is
    measured, and InputError if nothing could be; what was measured before stays and is not measured again.
    """
    datasets = {one.name: labelled(data / one.folder) for one in study.data}
    found = collect(study, datasets, out, watch, engine, budget_seconds)
    if not found.records:
        first = found.failures[0]
        raise InputError(f"none of {counted(len(found.failures), 'run')} could be measured; the first: {said(first)}")
    write(study, found, datasets, out)
    return found


def report(study: Study, data: Path, out: Path) -> Results:
    """Writes the results of the runs that have been measured so far, without fitting.

    Raises DatasetError, InputError if there are none.
    """
    datasets = {one.name: labelled(data / one.folder) for one in study.data}
    found = so_far(study, datasets, out)
    if not found.records:
        raise InputError(f"{out} has no record of this study on these images; run it without --report-only")
    write(study, found, datasets, out)
    return found


def write(study: Study, results: Results, datasets: dict[str, Dataset], out: Path) -> None:
    """All results from the records alone, the pictures of single images from one detector of each method."""
    records = results.records
    summary = Summary.of(measured(study, records))
    made = tables(study, summary, records)
    notes = page.notes(study, summary, records, [said(one) for one in results.failures])
    drawn = pictures.write(study, summary, records, datasets, out)
    write_whole(out / "study.json", _json(study, made, results, notes))
    verdict = headline(study, summary)
    page.write_markdown(out / "study.md", study, verdict, made, notes)
    page.write_page(out / "study.html", study, verdict, made, notes, drawn)
    finish(out)


def _json(study: Study, made: Sequence[Table], results: Results, notes: Sequence[str]) -> str:
    content: dict[str, Any] = {
        "format": 1,
        "study": study.model_dump(mode="json"),
        "tables": [asdict(table) for table in made],
        "notes": list(notes),
        "runs": [_run(record) for record in results.records],
        "failures": [asdict(failure) for failure in results.failures],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _run(record: Record) -> dict[str, Any]:
    """A record without what grows with the images."""
    names = ("key", "data", "method", "value", "seed", "method_of_holding_out", "unreadable", "facts", "environment")
    return {name: getattr(record, name) for name in names} | {"n_images": len(record.kinds)}

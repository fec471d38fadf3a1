"""A study from file to results: what is measured already is kept, and all results are computed from the records."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from urushi.data.dataset import Dataset
from urushi.data.writing import claim
from urushi.errors import DatasetError, InputError
from urushi.reporting.page import write_whole
from urushi.study import page, pictures
from urushi.study.drawing import measured
from urushi.study.headline import headline
from urushi.study.measuring import DETECTORS, RECORDS, labelled, measure
from urushi.study.plan import Run, Study
from urushi.study.records import Record
from urushi.study.summary import Summary
from urushi.study.table import Table
from urushi.study.tables import tables

_TITLE = "Results of an Urushi study"
_ABOUT = (
    "study.json, study.md and study.html are made from records/, one file per run. Running the study again measures "
    "only what is missing there. detectors/ holds one detector of each run."
)
Notify = Callable[[str], None]


def run(study: Study, data: Path, out: Path, notify: Notify) -> tuple[Record, ...]:
    """Measures every run that has no record yet, and writes the results; gives the records.

    `data` is the folder that those of the study are below. Raises DatasetError, InputError, RecipeError,
    CalibrationError, TrainingError; what was measured before stays and is not measured again.
    """
    datasets = {one.name: labelled(data / one.folder) for one in study.data}
    records = collect(study, datasets, out, notify)
    write(study, records, datasets, out)
    return records


def report(study: Study, data: Path, out: Path) -> tuple[Record, ...]:
    """Writes the results of the runs that have been measured so far, without fitting; gives their records.

    Raises DatasetError, InputError if there are none.
    """
    datasets = {one.name: labelled(data / one.folder) for one in study.data}
    prints = {name: dataset.fingerprint() for name, dataset in datasets.items()}
    found = (Record.load(_path(out, one), one.key(prints[one.data.name])) for one in study.runs())
    if not (records := tuple(one for one in found if one)):
        raise InputError(f"{out} has no record of this study on these images; run it without --report-only")
    write(study, records, datasets, out)
    return records


def collect(study: Study, datasets: dict[str, Dataset], out: Path, notify: Notify) -> tuple[Record, ...]:
    """The record of every run, measured where there is none yet."""
    fingerprints = {name: dataset.fingerprint() for name, dataset in datasets.items()}
    runs = tuple(study.runs())
    _claim(out)
    places = (f"{number}/{len(runs)}" for number in range(1, len(runs) + 1))
    return tuple(
        _record(one, datasets[one.data.name], fingerprints[one.data.name], out, notify, place)
        for one, place in zip(runs, places, strict=True)
    )


def write(study: Study, records: Sequence[Record], datasets: dict[str, Dataset], out: Path) -> None:
    """All results from the records alone, the pictures of single images from one detector of each method."""
    summary = Summary.of(measured(study, records))
    made, notes = tables(study, summary, records), page.notes(study, summary, records)
    drawn = pictures.write(study, summary, records, datasets, out)
    write_whole(out / "study.json", _json(study, made, records, notes))
    said = headline(study, summary)
    page.write_markdown(out / "study.md", study, said, made, notes)
    page.write_page(out / "study.html", study, said, made, notes, drawn)


def _claim(out: Path) -> None:
    claim(out, _TITLE, _ABOUT)
    for name in (RECORDS, DETECTORS):
        (out / name).mkdir(exist_ok=True)


def _record(one: Run, dataset: Dataset, fingerprint: str, out: Path, notify: Notify, place: str) -> Record:
    key, path = one.key(fingerprint), _path(out, one)
    if found := Record.load(path, key):
        return found
    notify(f"{place} {one.name}")
    try:
        found = measure(one, dataset, key, out)
    except DatasetError as error:
        raise DatasetError(f"{one.name}: {error}") from None
    found.save(path)
    notify(f"{place} {one.name}: {found.facts['seconds']} s")
    return found


def _path(out: Path, one: Run) -> Path:
    return out / RECORDS / f"{one.name}.json"


def _json(study: Study, made: Sequence[Table], records: Sequence[Record], notes: Sequence[str]) -> str:
    import json

    content: dict[str, Any] = {
        "format": 1,
        "study": study.model_dump(mode="json"),
        "tables": [asdict(table) for table in made],
        "notes": list(notes),
        "runs": [_run(record) for record in records],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _run(record: Record) -> dict[str, Any]:
    """A record without what grows with the images."""
    names = ("key", "data", "method", "value", "seed", "method_of_holding_out", "unreadable", "facts", "environment")
    return {name: getattr(record, name) for name in names} | {"n_images": len(record.kinds)}

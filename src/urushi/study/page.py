"""The results of a study for people: Markdown and one HTML page, both from the same tables and pictures."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from urushi.reporting.page import render, write_whole
from urushi.study.cautions import cautions
from urushi.study.plan import Study
from urushi.study.records import Record
from urushi.study.summary import Summary
from urushi.study.table import Table

_MINUTES_FROM_S = 600  # shorter times are said in seconds


def write_markdown(path: Path, study: Study, verdict: str, tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Title, verdict, tables and notes; raises InputError if the file can't be written."""
    parts = [
        f"# {study.title}",
        verdict,
        study.description,
        *map(markdown, tables),
        "\n".join(f"- {note}" for note in notes),
    ]
    write_whole(path, "\n\n".join(part for part in parts if part) + "\n")


def write_page(
    path: Path,
    study: Study,
    verdict: str,
    tables: Sequence[Table],
    notes: Sequence[str],
    pictures: Mapping[str, Path],
) -> None:
    """The same with pictures (PNG, by caption) inside; raises InputError if the file can't be written."""
    shown = {caption: f"data:image/png;base64,{_encoded(picture)}" for caption, picture in pictures.items()}
    head = {"title": study.title, "description": study.description, "verdict": verdict}
    write_whole(path, render({**head, "tables": tables, "notes": notes, "pictures": shown}, "study"))


def notes(study: Study, summary: Summary, records: Sequence[Record], failures: Sequence[str] = ()) -> list[str]:
    """What the figures mean, what is missing and why, and what they were made with."""
    return [
        *_unfinished(study, records),
        *(f"**Not measured**: {one}" for one in failures),
        *_meaning(study, summary),
        *(f"**Warning**: {one}" for one in cautions(study, summary, records)),
        *not_read(records),
        *circumstances(records),
    ]


def _unfinished(study: Study, records: Sequence[Record]) -> Iterator[str]:
    if len(records) < (n := len(list(study.runs()))):
        yield (
            f"**Not finished: {len(records)} of {n} fits done.** Where there are fewer repeats, the error is over "
            "fewer of them; where there is one, over its drawn test sets."
        )


def _meaning(study: Study, summary: Summary) -> Iterator[str]:
    over = "repeats" if summary.n_repeats > 1 else f"{study.draws} test sets drawn from one test split"
    yield (
        f"Mean ± standard error over {over}. Repeats: {summary.n_repeats}, each with another split of the training "
        f"images and other initial weights; in each {study.draws} test sets are drawn without replacement from one "
        "test split: they overlap, so an error over them alone is too small."
    )
    kept = (
        f"{study.threshold_defects:.0%} of the anomalies of each kind, drawn anew for each test set and not part of it"
    )
    yield f"Thresholds come from held-out training images and, where a rule needs defects, {kept}."
    if study.source:
        yield f"*published*: {study.source}, on images of its own; its thresholds were chosen on its test images."


def not_read(records: Sequence[Record]) -> Iterator[str]:
    """Each test image that could not be read, and why."""
    for (data, text), n in Counter((r.data, one) for r in records for one in r.unreadable).items():
        yield f"{data}: not read in {n} runs: {text}"


def circumstances(records: Sequence[Record]) -> Iterator[str]:
    """What the records were made with, and how long all fits took."""
    versions = {", ".join(f"{k} {v}" for k, v in record.environment["versions"].items()) for record in records}
    commits = {f"{r.environment['commit']}{' with changes' if r.environment['is_dirty'] else ''}" for r in records}
    yield f"commit: {', '.join(sorted(commits))}"
    yield f"versions: {'; '.join(sorted(versions))}"
    yield f"machine: {'; '.join(sorted({record.environment['machine'] for record in records}))}"
    yield f"date: {', '.join(sorted({record.environment['date'][:10] for record in records}))}"
    seconds = sum(record.facts["seconds"] for record in records)
    yield f"time of all fits: {f'{seconds:.0f} s' if seconds < _MINUTES_FROM_S else f'{seconds / 60:.0f} min'}"


def markdown(table: Table) -> str:
    """The table with its title and note."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    drawn = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join(part for part in (f"## {table.title}", drawn, table.note) if part)


def _encoded(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode("ascii")

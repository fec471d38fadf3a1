"""A comparison from its runs to its files: JSON, CSV, Markdown, LaTeX and a page."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from urushi.data.dataset import Dataset
from urushi.data.writing import finish
from urushi.evaluation.below_chance import below_chance
from urushi.jobs import Engine
from urushi.printable import counted
from urushi.reporting.page import render, write_whole
from urushi.study.cautions import of_brightness
from urushi.study.collecting import Results, Watch, collect
from urushi.study.comparison import formats
from urushi.study.comparison.diagram import diagram
from urushi.study.comparison.examples import examples
from urushi.study.comparison.figures import Cell, cell
from urushi.study.comparison.tables import headline, tables
from urushi.study.comparison.verdict import Verdict, verdict
from urushi.study.measuring import labelled
from urushi.study.page import circumstances, markdown, not_read
from urushi.study.plan import Study
from urushi.study.records import Record

NAME = "comparison"


def compare(
    study: Study, out: Path, watch: Watch, engine: Engine, budget_seconds: float | None = None
) -> tuple[Results, str]:
    """Measures what has not been measured yet, writes all results, and says in a sentence what was found.

    What fails or takes longer than its budget is shown so, and the others go on. Raises DatasetError, InputError before
    anything is measured.
    """
    datasets = {one.name: labelled(Path(one.folder)) for one in study.data}
    found = collect(study, datasets, out, watch, engine, budget_seconds)
    return found, write(study, found, datasets, out)


def write(study: Study, results: Results, datasets: dict[str, Dataset], out: Path) -> str:
    """All results from the records, and pictures from the detectors beside them; the headline."""
    cells = _cells(study, results)
    found = verdict(cells, results.records)
    said, made = headline(found, len(study.data)), tables(cells, found)
    notes = list(_notes(study, found, cells, results.records))
    write_whole(out / f"{NAME}.json", formats.as_json(study, cells, found, notes))
    write_whole(out / f"{NAME}.csv", formats.as_csv(cells))
    write_whole(out / f"{NAME}.tex", formats.as_latex(made))
    listed = "\n".join(f"- {note}" for note in notes)
    write_whole(out / f"{NAME}.md", "\n\n".join([f"# {_title(study)}", said, *map(markdown, made), listed]) + "\n")
    shown = list(examples(tuple(study.runs()), results.records, datasets, out))
    context: dict[str, Any] = {"title": _title(study), "verdict": said, "tables": made, "notes": notes}
    context |= {"diagram": _drawn(found), "diagram_reason": found.reason, "friedman": found.friedman}
    write_whole(out / f"{NAME}.html", render(context | {"examples": shown}, NAME))
    finish(out)
    return said


def _title(study: Study) -> str:
    return f"{len(study.methods)} recipes on {', '.join(one.name for one in study.data)}"


def _cells(study: Study, results: Results) -> list[Cell]:
    rules = {(one.data.name, one.method.name): one.recipe.threshold for one in study.runs()}
    return [
        cell(
            *(data, recipe, rule),
            [one for one in results.records if (one.data, one.method) == (data, recipe)],
            [one for one in results.failures if (one.data, one.method) == (data, recipe)],
        )
        for (data, recipe), rule in rules.items()
    ]


def _drawn(found: Verdict) -> Any:
    if found.friedman is None:
        return None
    return diagram(found.ranks, found.cliques, found.friedman.critical_difference)


def _notes(study: Study, found: Verdict, cells: Sequence[Cell], records: Sequence[Record]) -> Iterator[str]:
    yield (
        f"{counted(study.repeats, 'fit')} of each recipe on each data set, each with another split of the good images "
        "to learn from and other initial weights. Figures are means over them; intervals are over images."
    )
    yield "Test images set no threshold and choose nothing; but whoever picks a recipe by this page chooses on them."
    if found.reason:
        yield found.reason
    if found.left_out:
        yield f"Without a rank, because a data set lacks them: {', '.join(found.left_out)}."
    low = below_chance({f"{one.data}, {one.recipe}": one.figures["roc_auc"].value for one in cells if one.figures})
    bright = sorted({f"{one.data}: {text}" for one in records for text in of_brightness(one)})
    yield from (f"**Warning**: {one}" for one in (*bright, *([low] if low else [])))
    yield from not_read(records)
    if records:
        yield from circumstances(records)

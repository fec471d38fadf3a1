"""urushi evaluate: how good a detector is on labelled images, with confidence intervals."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.cli import _console
from urushi.cli._places import require_file_place
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.cli._outputs import ReportWriter
    from urushi.data.samples import Sample
    from urushi.detector import Detector
    from urushi.evaluation import Evaluation
    from urushi.inspection import Inspection, Unreadable
    from urushi.reporting.report import Evaluation as ReportedEvaluation

    _Result = tuple[Sample, Inspection | Unreadable]


def evaluate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET_DIR", help="A data set with a labelled test split.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, mps.")] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling behind the intervals.")] = 0,
) -> None:
    """Measure a detector on the test split of a data set: image and pixel figures."""
    from urushi.detector import Detector

    require_file_place(json_file, "--json")
    require_file_place(report, "--report")
    loaded = Detector.load(detector, device=device)
    found = run(loaded, dataset, layout=layout, seed=seed, report=report)
    print_figures(found)
    _console.list_unreadable(found.unreadable)
    if json_file is not None:
        _write(json_file, found.to_json())
    if found.unreadable:
        raise typer.Exit(1)


def run(
    detector: "Detector", folder: Path, *, layout: str | None = None, seed: int = 0, report: Path | None = None
) -> "Evaluation":
    """Inspects the test split once, for the figures and, where asked for, the report."""
    from urushi.cli._outputs import ReportWriter
    from urushi.data.images import read_mask
    from urushi.evaluation import evaluate as measure

    samples = _test_samples(folder, layout)
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    shown = _console.progress(results, "evaluating", total=len(samples))
    if report is None:
        return measure(shown, read_mask=read_mask, seed=seed)
    labels = {str(sample.path): sample.defect for sample in samples}
    page = ReportWriter(report, detector, f"Evaluation on {folder.resolve().name}", labels)
    found = measure(_tap(shown, page), read_mask=read_mask, seed=seed)
    page.close(_reported(found.to_json()))
    return found


def _test_samples(folder: Path, layout: str | None) -> "tuple[Sample, ...]":
    from urushi.data.dataset import find_dataset
    from urushi.errors import DatasetError

    samples = find_dataset(folder, layout=layout).test()
    if not samples:
        raise DatasetError(f"{folder} has no test split; `urushi doctor {folder}` shows what it has")
    return samples


def _tap(results: "Iterable[_Result]", page: "ReportWriter") -> "Iterator[_Result]":
    for sample, result in results:
        page.add(result)
        yield sample, result


def print_figures(found: "Evaluation") -> None:
    """The figures as tables on stdout."""
    figures = found.to_json()
    n = f"{figures['n_normal']} normal and {figures['n_anomalous']} anomalous images"
    _console.table(("image figure", "value", "95 % interval"), map(_row, figures["image"].items()), title=n)
    defects = [(d["defect"], d["n"], _value(d["roc_auc"]), _value(d["recall"])) for d in figures["per_defect"]]
    if len(defects) > 1:
        _console.table(("defect", "images", "ROC-AUC", "recall"), defects)
    if figures["pixel"]:
        rows = map(_row, figures["pixel"]["metrics"].items())
        _console.table(("pixel figure", "value", "95 % interval"), rows)
    else:
        _console.note(f"no pixel figures: {figures['pixel_reason']}")
    for warning in found.luminance.warnings:
        _console.note(f"warning: {printable(warning)}")


def _row(item: tuple[str, dict[str, Any]]) -> tuple[str, str, str]:
    name, figure = item
    low, high = figure.get("low"), figure.get("high")
    return name, _value(figure), "" if low is None or high is None else f"{low:.4f} … {high:.4f}"


def _value(figure: dict[str, Any]) -> str:
    value = figure.get("value")
    return f"undefined: {figure.get('reason', '')}" if value is None else f"{value:.4f}"


def _reported(figures: dict[str, Any]) -> "ReportedEvaluation":
    """The figures as the report takes them."""
    metrics: dict[str, Any] = {f"image {name}": figure for name, figure in figures["image"].items()}
    if figures["pixel"]:
        metrics |= {f"pixel {name}": figure for name, figure in figures["pixel"]["metrics"].items()}
    columns = ("defect", "images", "ROC-AUC", "recall")
    rows = [(d["defect"], d["n"], d["roc_auc"]["value"], d["recall"]["value"]) for d in figures["per_defect"]]
    per_defect = [dict(zip(columns, row, strict=True)) for row in rows]
    return {"metrics": metrics, "per_defect": per_defect, "luminance": figures["luminance"]}


def _write(path: Path, figures: dict[str, Any]) -> None:
    from urushi.errors import InputError

    try:
        path.write_text(json.dumps(figures, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None

"""urushi evaluate: how good a detector is on labelled images, with confidence intervals."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.cli import _console

if TYPE_CHECKING:
    from urushi.detector import Detector
    from urushi.evaluation import Evaluation


def evaluate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET_DIR", help="A data set with a labelled test split.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling behind the intervals.")] = 0,
) -> None:
    """Measure a detector on the test split of a data set: image and pixel figures."""
    from urushi.detector import Detector

    loaded = Detector.load(detector)
    found = run(loaded, dataset, layout=layout, seed=seed, report=report)
    if json_file is not None:
        _write(json_file, found.to_json())
    print_figures(found)
    _console.list_unreadable(found.unreadable)
    if found.unreadable:
        raise typer.Exit(1)


def run(
    detector: "Detector", folder: Path, *, layout: str | None = None, seed: int = 0, report: Path | None = None
) -> "Evaluation":
    """Inspects the test split once, for the figures and, where asked for, the report."""
    from urushi.cli._evaluation_report import write_report
    from urushi.data.dataset import find_dataset
    from urushi.data.images import read_mask
    from urushi.errors import DatasetError
    from urushi.evaluation import evaluate as measure

    samples = find_dataset(folder, layout=layout).test()
    if not samples:
        raise DatasetError(f"{folder} has no test split; `urushi doctor {folder}` shows what it has")
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    shown = _console.progress(results, "evaluating", total=len(samples))
    found = measure(shown, read_mask=read_mask, seed=seed)
    if report is not None:
        write_report(report, detector, samples, found, f"Evaluation on {folder.resolve().name}")
    return found


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


def _row(item: tuple[str, dict[str, Any]]) -> tuple[str, str, str]:
    name, figure = item
    low, high = figure.get("low"), figure.get("high")
    return name, _value(figure), "" if low is None or high is None else f"{low:.4f} … {high:.4f}"


def _value(figure: dict[str, Any]) -> str:
    value = figure.get("value")
    return f"undefined: {figure.get('reason', '')}" if value is None else f"{value:.4f}"


def _write(path: Path, figures: dict[str, Any]) -> None:
    from urushi.errors import InputError

    try:
        path.write_text(json.dumps(figures, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None

"""urushi evaluate: how good a detector is on labelled images, with confidence intervals."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.cli import _console
from urushi.cli._datasets import BitsOption, GoodFolderOption, note_found, note_problems, note_taken
from urushi.cli._figures import lines
from urushi.cli._places import require_file_place
from urushi.cli._plant import EscapeCostOption, FalseAlarmCostOption, PrevalenceOption, heading, plant_of
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load, require_detector
from urushi.data.progress import tracked
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.calibration import Plant
    from urushi.cli._outputs import Listener
    from urushi.data.samples import Sample
    from urushi.data.saturation import Saturation
    from urushi.detector import Detector
    from urushi.evaluation import Evaluation
    from urushi.inspection import Cautions, Inspection, Unreadable
    from urushi.reporting.report import Evaluation as ReportedEvaluation

    _Result = tuple[Sample, Inspection | Unreadable]


def evaluate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET_DIR", help="A data set with a labelled test split.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Write plots as PNG and SVG into this folder.")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    saturation: Annotated[
        Path | None,
        typer.Option(help="A file as MVTec LOCO's defects_config.json, for sPRO; found by itself in DATASET_DIR."),
    ] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    n_threads: ThreadsOption = None,
    bits: BitsOption = None,
    prevalence: PrevalenceOption = None,
    escape_cost: EscapeCostOption = None,
    false_alarm_cost: FalseAlarmCostOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling behind the intervals.")] = 0,
) -> None:
    """Measure a detector on the test images of a data set."""
    require_file_place(json_file, "--json")
    require_file_place(report, "--report")
    require_detector(detector)
    plant = plant_of(prevalence, escape_cost, false_alarm_cost)
    samples = samples_to_test(dataset, layout, good_folder)
    loaded = load(detector, runtime=runtime, precision=precision, device=device, n_threads=n_threads, bits=bits)
    found = run(
        loaded,
        dataset,
        samples,
        saturation=saturation,
        seed=seed,
        report=report,
        plots=plots,
        plant=plant,
    )
    from urushi.cli._next_step import next_step

    print_figures(found)
    _console.list_unreadable(found.unreadable)
    _console.note(f"next: {next_step(loaded, found, detector)}")
    if json_file is not None:
        _write(json_file, found.to_json())
    if found.unreadable:
        raise typer.Exit(1)


def run(
    detector: "Detector",
    folder: Path,
    samples: "Sequence[Sample]",
    *,
    saturation: Path | None = None,
    seed: int = 0,
    report: Path | None = None,
    plots: Path | None = None,
    plant: "Plant | None" = None,
) -> "Evaluation":
    """Inspects the test split once, for the figures and, where asked for, the report and the plots."""
    from urushi.cli._outputs import ReportWriter
    from urushi.cli._plots import PlotWriter, curves_for_report
    from urushi.data.masks import read_mask
    from urushi.evaluation import evaluate as measure
    from urushi.inspection import Cautions

    saturations = _saturation(folder, saturation)
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    shown = tracked(results, "evaluating", len(samples))
    labels = {str(sample.path): sample.defect for sample in samples}
    title = f"Evaluation on {folder.resolve().name}"
    page = None if report is None else ReportWriter(report, detector, title, labels)
    if page is not None:
        page.report.show_masks({str(sample.path): sample.mask for sample in samples if sample.mask})
    drawn = None if plots is None else PlotWriter(plots, detector)
    cautions = Cautions()
    shown = _tap(shown, [cautions] if page is None else [cautions, page])
    shown = shown if drawn is None else drawn.tap(shown)
    found = measure(shown, read_mask=read_mask, saturation=saturations, seed=seed, plant=plant)
    for line in (*cautions.lines(), *_about_products(detector, samples)):
        _console.note(f"warning: {printable(line)}")
    if page is not None:
        page.close(_reported(found.to_json()), curves_for_report(found))
    if drawn is not None:
        drawn.close(found)
    return found


def samples_to_test(folder: Path, layout: str | None = None, good_folders: Sequence[str] = ()) -> "tuple[Sample, ...]":
    """Good and defective images to test with; raises DatasetError where either are missing."""
    from urushi.data.dataset import find_dataset
    from urushi.data.taken import taken
    from urushi.errors import DatasetError

    dataset = find_dataset(folder, layout=layout, good_folders=good_folders)
    samples = dataset.test()
    if not samples:
        raise DatasetError(f"{folder} has no test split: {taken(dataset)}; `urushi doctor {folder}` shows what it has")
    if missing := {"good", "defective"} - {"defective" if sample.label else "good" for sample in samples}:
        raise DatasetError(
            f"{folder} has no {missing.pop()} images to test with: {taken(dataset)}. Both are needed: in test/good and "
            "in test/DEFECT, for example; --good-folder NAME takes the folders of a name as good"
        )
    note_found(len(samples), "test image", [folder])
    note_problems(dataset.problems)
    note_taken(dataset)
    return samples


def _about_products(detector: "Detector", samples: "Sequence[Sample]") -> "Iterator[str]":
    """Where the detector tells products: test images of those that it knows, and several of one."""
    from urushi.data.groups import digest_of, groups_of
    from urushi.errors import DatasetError, RecipeError

    try:
        groups = groups_of([sample.path for sample in samples], detector.recipe.groups)
    except (DatasetError, RecipeError) as error:
        yield f"which products the test images show is not known: {error}"
        return
    known = {*detector.held_out.groups, *(detector.learnt.groups if detector.learnt else ())}
    if n := sum(digest_of(group) in known for group in groups):
        shown = counted(n, "test image shows", "test images show")
        yield f"{shown} products that the detector knows: results are too good"
    if (n := len(set(groups))) < len(groups):
        shown = f"{counted(len(groups), 'test image')} of {counted(n, 'product')}"
        yield f"{shown}: intervals take them as independent, and are too narrow"


def _saturation(folder: Path, given: Path | None) -> "Saturation | None":
    """From a file that is given, or one that the data set comes with, which is named; one of those may be another's."""
    from urushi.data.saturation import Saturation, find_saturation
    from urushi.errors import InputError

    if given is not None:
        return Saturation.read(given)
    own = find_saturation(folder)
    if own is None:
        return None
    try:
        found = Saturation.read(own)
    except InputError as error:
        _console.note(f"warning: no sPRO: {printable(str(error))}")
        return None
    _console.note(f"note: sPRO with the saturation thresholds of {printable(str(own))}")
    return found


def _tap(results: "Iterable[_Result]", listeners: "Sequence[Listener | Cautions]") -> "Iterator[_Result]":
    for sample, result in results:
        for listener in listeners:
            listener.add(result)
        yield sample, result


def print_figures(found: "Evaluation") -> None:
    """The figures on one screen of stdout; what is to be heeded on stderr."""
    figures = found.to_json()
    print("\n".join(lines(figures)))
    for line in (*_about_repeats(found), *_about_masks(found)):
        _console.note(printable(line))
    if any(found.unsure.values()):
        normal, anomalous = found.unsure["normal"], found.unsure["anomalous"]
        _console.note(
            f"unsure: {normal} good and {counted(anomalous, 'defective image')}, counted as not called anomalous"
        )
    if found.below_chance:
        _console.note(f"warning: {printable(found.below_chance)}")
    for warning in (*found.luminance.warnings, *found.prepared_luminance.warnings):
        _console.note(f"warning: {printable(warning)}")


def _about_repeats(found: "Evaluation") -> "Iterator[str]":
    if found.repeats:
        first = f"the first: {found.repeats[0].source}: {found.repeats[0].reason}"
        yield f"warning: test images with the same pixels as others, which count twice: {len(found.repeats)}; {first}"


def _about_masks(found: "Evaluation") -> "Iterator[str]":
    left_out = found.pixel_left_out
    if found.pixel is not None and found.ignored_share:
        left = f"what the detector ignores or only frames an image, {found.ignored_share:.1%} of it"
        yield f"note: pixel figures leave out {left}"
    if found.pixel is None:
        yield f"no pixel figures: {found.pixel_reason}"
    elif left_out:
        first = f"the first: {left_out[0].source}: {left_out[0].reason}"
        yield f"warning: images left out of the pixel figures: {len(left_out)}; {first}"
    if found.pixel is not None and found.saturation_reason:
        yield f"warning: no sPRO: {found.saturation_reason}"
    if found.pixel is not None and found.pixel.remark:
        yield f"warning: {found.pixel.remark}"
    if found.pixel is not None and found.pixel_remarks:
        first = f"the first: {found.pixel_remarks[0].source}: {found.pixel_remarks[0].reason}"
        yield f"warning: masks to look at: {len(found.pixel_remarks)}; {first}"


def _reported(figures: dict[str, Any]) -> "ReportedEvaluation":
    """The figures as the report takes them."""
    metrics: dict[str, Any] = {f"image {name}": figure for name, figure in figures["image"].items()}
    if figures["pixel"]:
        metrics |= {f"pixel {name}": figure for name, figure in figures["pixel"]["metrics"].items()}
    if figures["plant"]:
        metrics |= {f"plant {name}": figure for name, figure in figures["plant"]["figures"].items()}
    per_defect = [_defect_row(row) for row in figures["per_defect"]]
    headings = {
        "Images that repeat others": "repeats",
        "Images without pixel figures": "pixel_left_out",
        "Masks to look at": "pixel_remarks",
    }
    about_images = {heading: found for heading, key in headings.items() if (found := figures[key])}
    return {
        "metrics": metrics,
        "per_defect": per_defect,
        "luminance": figures["luminance"],
        "plant": figures["plant"] and heading(figures["plant"]),
        "prepared_luminance": figures["prepared_luminance"],
        "pixel_reason": figures["pixel_reason"],
        "below_chance": figures["below_chance"],
        "about_images": about_images,
    }


def _defect_row(row: dict[str, Any]) -> dict[str, Any]:
    columns = {"ROC-AUC": "roc_auc", "average precision": "average_precision", "recall": "recall"}
    columns |= {"found at 1 % false alarms": "tpr_at_fpr_0.01", "at 5 %": "tpr_at_fpr_0.05"}
    return {"defect": row["defect"], "images": row["n"], **{name: row[key]["value"] for name, key in columns.items()}}


def _write(path: Path, figures: dict[str, Any]) -> None:
    from urushi import atomic_file
    from urushi.errors import InputError

    try:
        atomic_file.replace(path, json.dumps(figures, indent=1, allow_nan=False).encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None

"""urushi fit: from a folder of good images to a detector file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from urushi.cli import _console
from urushi.cli._datasets import BitsOption, GoodFolderOption, note_problems, note_taken
from urushi.cli._places import require_detector_place
from urushi.cli._plots import write_learning_curves
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.data.dataset import Dataset
    from urushi.detector import Detector
    from urushi.recipe import Recipe

_MOST_PROBLEMS = 3  # that are listed where nothing is left to learn from
_MOST_LISTED = 20  # of copies and suspects; the card has them all


def fit(
    good: Annotated[Path, typer.Argument(metavar="GOOD_DIR", help="Good images, or a data set with train/good.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The detector file to write.")],
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe (see `urushi recipes`), or path of a TOML.")
    ] = "default",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    defects: Annotated[Path | None, typer.Option(help="Images of defects, for threshold rules that need them.")] = None,
    false_alarm_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be called anomalous.")
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda", "mps"] | None,
        typer.Option(help="Where PyTorch computes; without it, as the recipe says: cuda where there is one."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same detector.")] = 0,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    bits: BitsOption = None,
) -> None:
    """Learn from a folder of good images what normal looks like."""
    from urushi.detector import Detector

    settings = settings if device is None else [*settings, f"training.accelerator={device}"]
    chosen = chosen_recipe(recipe, settings, false_alarm_rate)
    sources, facts = _good_images(good, layout, good_folder)
    require_detector_place(output, "-o")
    folder = output.with_name(f"{output.name}.training")
    detector = Detector.fit(
        sources,
        chosen,
        defects=images_in(defects, good_folder),
        seed=seed,
        folder=folder,
        resume=resume,
        progress="bar",
        card={"recipe": " ".join([recipe, *settings]), "data": facts},
        bits=bits,
    )
    from urushi.training import is_first_process  # late: it loads Lightning, and errors shall come at once

    if not is_first_process():
        return
    detector.save(output)
    report_fit(detector, output, sources)
    if "training" in detector.card["fit"]:
        write_learning_curves(folder)
    if detector.unreadable:
        raise typer.Exit(1)


def chosen_recipe(name: str, settings: list[str], false_alarm_rate: float | None) -> "Recipe":
    """The recipe with the changes that the command line asks for."""
    from urushi.recipe import Recipe, parse_setting

    changes: dict[str, Any] = dict(parse_setting(text) for text in settings)
    if false_alarm_rate is not None:
        changes["threshold.false_alarm_rate"] = false_alarm_rate
    return Recipe.find(name).with_settings(changes)


def images_in(folder: Path | None, good_folders: Sequence[str] = ()) -> list[Path]:
    """All images of defects below a folder, or none without a folder; raises DatasetError."""
    from urushi.data.dataset import find_defects

    if folder is None:
        return []
    images, problems = find_defects(folder, good_folders=good_folders)
    note_problems(problems)
    return images


def report_fit(detector: "Detector", output: Path, sources: Sequence[Path]) -> None:
    """What was fitted, where it is, which of the images look as if they were no good ones, and what is promised."""
    facts = detector.card["fit"]
    _console.list_unreadable(detector.unreadable)
    if trial := detector.card.get("trial"):
        print(f"of {len(trial['candidates'])} candidates {trial['taken']} was fitted: {trial['why']}")
    print(f"{output}: fitted on {facts['n_training']} of {facts['n_images']} good images in {facts['seconds']} s")
    if aligned := facts.get("alignment"):
        print(f"alignment: {aligned['summary']}")
    if detector.familiar and (note := detector.familiar.note):
        _console.note(f"note: {note}")
    if copies := facts["copies"]:
        _report_copies(copies, sources)
    for concern in facts["concerns"]:
        _console.note(f"warning: {printable(concern)}")
    if suspects := facts.get("suspicious", []):
        _report_suspects(suspects, sources)
    if concern := facts.get("training", {}).get("concern"):
        _console.note(f"note: the training ended badly: {concern}")
    print(f"threshold {detector.threshold.value:.6g}: {detector.threshold.explanation}")


def _report_copies(copies: Sequence[Mapping[str, int]], sources: Sequence[Path]) -> None:
    _console.note(f"note: images with the same pixels as others, which are left out: {len(copies)}")
    for copy in copies[:_MOST_LISTED]:
        pair = (printable(str(sources[copy[name]])) for name in ("image", "of"))
        _console.note(f"  {' = '.join(pair)}")
    if len(copies) > _MOST_LISTED:
        _console.note(f"  and {len(copies) - _MOST_LISTED} more")


def _report_suspects(suspects: Sequence[Mapping[str, Any]], sources: Sequence[Path]) -> None:
    n_out = sum(suspect["is_left_out"] for suspect in suspects)
    _console.note(f"note: {len(suspects)} training images look as if they were no good ones, {n_out} were left out:")
    for suspect in suspects[:_MOST_LISTED]:
        out = ", left out" if suspect["is_left_out"] else ""
        _console.note(f"  {printable(str(sources[suspect['image']]))} (p = {suspect['p_value']:.1g}{out})")
    if n_out < len(suspects):
        _console.note("look at them; --set split.leave_out_suspicious=true fits without them")


def _good_images(good: Path, layout: str | None, good_folders: Sequence[str]) -> tuple[list[Path], dict[str, Any]]:
    from urushi.data.dataset import find_dataset
    from urushi.data.pages import file_of
    from urushi.errors import DatasetError

    dataset = find_dataset(good, layout=layout, good_folders=good_folders)
    note_taken(dataset)
    samples = dataset.normal_training()
    if not samples:
        note_problems(dataset.problems[:_MOST_PROBLEMS])
        raise DatasetError(f"{good} has no good training images; `urushi doctor {good}` shows what it has")
    note_problems(dataset.problems)
    if spare := dataset.validation():
        _console.note(f"note: {len(spare)} validation images are left out: the fit holds out some of its own")
    _refuse_masks(dataset)
    openable = [sample for sample in samples if _is_openable(file_of(sample.path))]
    facts: dict[str, Any] = {
        "folder": printable(str(good.resolve())),
        "layout": dataset.layout,
        "fingerprint": dataset.fingerprint(openable),
    }
    facts |= {"good_folders": list(good_folders)} if good_folders else {}
    return [sample.path for sample in samples], facts


def _is_openable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _refuse_masks(dataset: "Dataset") -> None:
    """Raises DatasetError where a folder of images only is one of masks; notes where its name says defects."""
    from urushi.data.masklike import look_like_masks
    from urushi.data.names import is_surely_of_masks, meaning
    from urushi.errors import DatasetError

    if dataset.layout != "flat":
        return
    root, name = dataset.root, dataset.root.resolve().name
    by_name = is_surely_of_masks(name)
    if by_name or look_like_masks([sample.path for sample in dataset.normal_training()]):
        seen = "its name says so" if by_name else "nearly all of them are black with one other level"
        raise DatasetError(
            f"the images in {root} look like masks of defects: {seen}. Give the folder of images of good parts; if "
            "these are good parts, put them into a folder train/good and give the one that holds train"
        )
    if meaning(name).kind == "defect":
        _console.note(f"note: {printable(str(root))}: its images count as good, but its name says defects")

"""urushi fit: from a folder of good images to a detector file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from urushi.cli import _completion, _console
from urushi.cli._brightness import warn_of_brightness
from urushi.cli._datasets import BitsOption, GoodFolderOption, GroupByOption, images_in
from urushi.cli._going_on import Images, go_on, refuse_beside
from urushi.cli._good_images import good_images, note_scans
from urushi.cli._interrupts import leaving
from urushi.cli._places import require_detector_place
from urushi.cli._plots import write_training
from urushi.cli._tracking import MlflowOption, tracking
from urushi.first_process import is_first_process
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.detector import Detector
    from urushi.recipe import Recipe

_MOST_LISTED = 20  # of copies and suspects; the card has them all


def fit(
    context: typer.Context,
    good: Annotated[
        list[Path],
        typer.Argument(metavar="GOOD_DIR", help="Good images, or a data set with train/good; with --add also files."),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The detector file to write.")] = None,
    add: Annotated[
        Path | None,
        typer.Option(
            metavar="DETECTOR", help="Learn more good images into this detector, without the old ones; it is kept."
        ),
    ] = None,
    remove: Annotated[
        Path | None, typer.Option(metavar="DETECTOR", help="Take images out of this detector that it has learnt.")
    ] = None,
    selected: Annotated[
        bool,
        typer.Option(
            "--selected", help="With --add: the images were chosen for their scores; keep these out of the threshold."
        ),
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            help="Name of a recipe (see `urushi recipes`), or path of a TOML.", autocompletion=_completion.recipe
        ),
    ] = "default",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    ignore: Annotated[
        Path | None, typer.Option(help="A mask drawn on a good image: what it marks (not black) counts for nothing.")
    ] = None,
    inspect_only: Annotated[
        Path | None, typer.Option(help="A mask as --ignore takes it, but only what it marks counts.")
    ] = None,
    defects: Annotated[Path | None, typer.Option(help="Images of defects, for threshold rules that need them.")] = None,
    false_alarm_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be called anomalous.")
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda", "mps"] | None,
        typer.Option(help="Where PyTorch computes; without it, as the recipe says: cuda where there is one."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    from_checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="EPOCH",
            help="Train nothing: take the weights that an earlier run of the same kept, as epoch-199, best or last, "
            "or the path of such a checkpoint, and choose the threshold for these.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same detector.")] = 0,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    bits: BitsOption = None,
    group_by: GroupByOption = None,
    final: Annotated[
        bool, typer.Option("--final", help="Keep nothing that learning could go on from: the file is smaller.")
    ] = False,
    mlflow: MlflowOption = None,
) -> None:
    """Learn from a folder of good images what normal looks like.

    With --add and --remove, a detector learns on: more good images in seconds, without the old ones, or fewer.
    """
    if add or remove or selected:
        refuse_beside(context, add, remove)
        images = Images(good, layout, good_folder, bits, group_by)
        go_on(add, remove, output, images, defects, is_selected=selected, device=device or "cpu")
        return
    folder_of_good, output = _one(good), _stated(output)
    settings = settings if device is None else [*settings, f"training.accelerator={device}"]
    chosen = chosen_recipe(recipe, settings, false_alarm_rate, region=_region(ignore, inspect_only), group_by=group_by)
    sources, facts, samples = good_images(folder_of_good, layout, good_folder)
    if chosen.groups is None:
        note_scans(sources)
    require_detector_place(output, "-o")
    from urushi.detector import Detector  # late: what was found is said at once

    folder, checkpoint = _run_folder(output, from_checkpoint, resume=resume)
    known = {"recipe": recipe, "seed": str(seed), "images": str(folder_of_good)}
    with tracking(mlflow, output, chosen, known) as tracked:
        with leaving(lambda: _left(folder)):
            detector = Detector.fit(
                sources,
                chosen,
                defects=images_in(defects, good_folder),
                seed=seed,
                folder=folder,
                resume=resume,
                checkpoint=checkpoint,
                progress="bar" if is_first_process() else "none",
                card={"recipe": " ".join([recipe, *settings]), "data": facts},
                bits=bits,
            )
        if not is_first_process():
            return
        (detector.final() if final else detector).save(output)
        report_fit(detector, output, sources)
        if checkpoint is None and (trained := detector.card["fit"].get("training")):
            write_training(folder, detector.card["recipe"], trained)
        tracked.record(detector, output, folder)
    warn_of_brightness(detector.prepare, samples)
    if detector.unreadable:
        raise typer.Exit(1)


def _one(good: list[Path]) -> Path:
    from urushi.errors import InputError

    if len(good) > 1:
        raise InputError(
            f"{len(good)} folders were given; a fit takes one. Put the good images into one folder, or fit on the "
            "first and add the others: urushi fit --add DETECTOR DIR"
        )
    return good[0]


def _stated(output: Path | None) -> Path:
    from urushi.errors import InputError

    if output is None:
        raise InputError("say where the detector file is to be written: -o part.urushi")
    return output


def _run_folder(output: Path, checkpoint: Path | None, *, resume: bool) -> tuple[Path, str | None]:
    """The folder of the training run, and the name of the checkpoint that is to be taken from it."""
    from urushi.errors import InputError

    own = output.with_name(f"{output.name}.training")
    if checkpoint is None:
        return own, None
    if resume:
        raise InputError("--resume trains on, --from-checkpoint trains nothing; give either")
    is_name = checkpoint.parent == Path() and checkpoint.suffix != ".ckpt"
    return own if is_name else checkpoint.parent, checkpoint.name.removesuffix(".ckpt")


def _left(folder: Path) -> str:
    """What an interrupted fit leaves in the folder of its run: methods that are trained, checkpoints."""
    if folder.is_dir():
        from urushi.training import is_unfinished

        if is_unfinished(folder):
            return f"whole epochs are kept in {printable(str(folder))}; the same command with --resume goes on"
    return "nothing was written"


def _region(ignore: Path | None, inspect_only: Path | None) -> dict[str, Any]:
    """The settings of the recipe's region that the options ask for."""
    from urushi.errors import InputError

    if ignore is not None and inspect_only is not None:
        raise InputError("--ignore and --inspect-only were given; one mask says all, give either")
    if ignore is None and inspect_only is None:
        return {}
    marks = "inspected" if ignore is None else "ignored"
    return {"region.mask": str(ignore or inspect_only), "region.marks": marks}


def chosen_recipe(
    name: str,
    settings: list[str],
    false_alarm_rate: float | None,
    *,
    region: Mapping[str, Any] | None = None,
    group_by: str | None = None,
) -> "Recipe":
    """The recipe with the changes that the command line asks for."""
    from urushi.recipe import Recipe, parse_setting

    changes: dict[str, Any] = dict(parse_setting(text) for text in settings) | dict(region or {})
    if false_alarm_rate is not None:
        changes["threshold.false_alarm_rate"] = false_alarm_rate
    recipe = Recipe.find(name).with_settings(changes)
    if group_by is None:
        return recipe
    from urushi.data.groups import section_of

    return recipe.model_copy(update={"groups": section_of(group_by)})


def report_fit(detector: "Detector", output: Path, sources: Sequence[Path]) -> None:
    """What was fitted, where it is, which of the images look as if they were no good ones, and what is promised."""
    from urushi.reporting.card_words import of_groups, of_region

    facts = detector.card["fit"]
    _console.list_unreadable(detector.unreadable)
    if trial := detector.card.get("trial"):
        print(f"of {len(trial['candidates'])} candidates {trial['taken']} was fitted: {trial['why']}")
    print(
        f"{output}: fitted on {facts['n_training']} of {counted(facts['n_images'], 'good image')} in "
        f"{facts['seconds']} s"
    )
    if groups := facts.get("groups"):
        print(of_groups(groups, facts["n_images"]))
    if region := detector.card.get("region"):
        _console.note(f"note: {printable(of_region(region))}")
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
    shown = counted(len(suspects), "training image looks as if it were", "training images look as if they were")
    _console.note(f"note: {shown} no good ones, {n_out} left out:")
    for suspect in suspects[:_MOST_LISTED]:
        out = ", left out" if suspect["is_left_out"] else ""
        _console.note(f"  {printable(str(sources[suspect['image']]))} (p = {suspect['p_value']:.1g}{out})")
    if n_out < len(suspects):
        _console.note("look at them; --set split.leave_out_suspicious=true fits without them")

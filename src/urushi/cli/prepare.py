"""urushi prepare: what preprocessing makes of images, as files and as a page that shows every step."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import BitsOption, GoodFolderOption, note_found, note_problems
from urushi.data.progress import tracked
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.cli._prepared import Done, Item
    from urushi.data.images import ImageSource
    from urushi.inspection import Unreadable
    from urushi.proposal import Proposal
    from urushi.recipe import Recipe
    from urushi.reporting.preparation import PreparationReport

_TITLE = "Images prepared by `urushi prepare`"
_ABOUT = "Written anew by the same command: keep nothing of your own here."


def prepare(
    sources: Annotated[list[Path], typer.Argument(metavar="IN", help="Images, folders of images, or a data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the prepared images and the page.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe (see `urushi recipes`), or path of a TOML.", autocompletion=_completion.recipe
        ),
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    fit_on: Annotated[
        Path | None, typer.Option(help="Good images that steps learn from; without it, those of IN.")
    ] = None,
    n_shown: Annotated[int, typer.Option(min=0, help="Images shown step by step.")] = 12,
    propose: Annotated[
        bool, typer.Option("--propose", help="Propose a recipe from the grey levels of the good images.")
    ] = False,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    bits: BitsOption = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
) -> None:
    """Prepare images as a recipe does, and show each step."""
    from urushi.cli._prepared import Preparer, choose_shown, find_items
    from urushi.data.dataset import require_good_folders
    from urushi.data.images import Stated
    from urushi.data.stream import Decoded, stream
    from urushi.data.writing import claim, finish
    from urushi.preprocessing import Pipeline
    from urushi.recipe import Recipe, parse_setting
    from urushi.reporting.preparation import PreparationReport

    _require_one(recipe, is_proposed=propose)
    items, problems = find_items(sources, out, layout, good_folder)
    require_good_folders([place for place in (*sources, fit_on) if place is not None], good_folder)
    note_found(len(items), "image", sources)
    note_problems(problems)
    stated = partial(Stated.of, bits=bits)
    good = [stated(path) for path in _good_images(items, fit_on, good_folder)]
    proposal = _proposal(good or [stated(item.path) for item in items]) if propose else None
    mask = (out / "dead_pixels.png").resolve()
    named = proposal.recipe(str(mask)) if proposal else Recipe.find(str(recipe))
    chosen = named.with_settings(dict(parse_setting(text) for text in settings))
    pipeline = Pipeline.of(chosen)
    name = printable(", ".join(map(str, sources)))
    claim(out, f"{_TITLE} from {name}", _ABOUT)
    if proposal:
        _write_proposal(proposal, chosen, mask, out / "proposed.toml")
    pipeline = pipeline.fit(Decoded(good))
    facts = pipeline.facts(Decoded(good))
    print(*(f"{step}: {found['summary']}\n" for step, found in facts.items()), sep="", end="")
    report = PreparationReport(name, recipe or "proposed.toml", chosen.preprocessing, pipeline, proposal, facts)
    prepare_one = Preparer(pipeline, chosen.preprocessing, out, choose_shown(items, n_shown), bits)
    results = tracked(stream(prepare_one, items), "preparing", len(items))
    n_missing = sum(_take(result, report) for result in results)
    report.write(out / "prepare.html")
    finish(out)
    print(
        printable(f"{out}: {counted(report.n_images, 'image')} prepared, {n_missing} not; open {out / 'prepare.html'}")
    )
    if report.n_flattened:
        _console.note(
            f"warning: {report.n_flattened} of {counted(report.n_images, 'image has', 'images have')} a single grey "
            "level left: this recipe "
            "does not suit them; see the page, or let --propose look at them"
        )
    for warning in report.luminances.warnings:
        _console.note(f"warning: {printable(warning)}")
    if n_missing:
        raise typer.Exit(1)


def _take(result: "Done | Unreadable", report: "PreparationReport") -> int:
    """Reports one result; gives how many of its files could not be read."""
    from urushi.inspection import Unreadable

    if not isinstance(result, Unreadable):
        report.add(result.before, result.after, result.item.group, result.trace)
        if result.bad_mask is None:
            return 0
        result = result.bad_mask
    report.add_unreadable(result)
    _console.list_unreadable([result])
    return 1


def _require_one(recipe: str | None, *, is_proposed: bool) -> None:
    from urushi.errors import InputError

    if is_proposed == (recipe is not None):
        raise InputError("give either --recipe with the recipe to follow, or --propose to have one proposed")


def _good_images(items: "Sequence[Item]", fit_on: Path | None, good_folders: Sequence[str]) -> list[Path]:
    """What steps learn from; raises DatasetError if a folder was named for it and holds nothing good."""
    from urushi.data.dataset import find_dataset, good_folders_in
    from urushi.errors import DatasetError

    if fit_on is None:
        return [item.path for item in items if item.is_training]
    dataset = find_dataset(fit_on, good_folders=good_folders_in(fit_on, good_folders))
    good = [sample.path for sample in dataset.normal_training()]
    if not good:
        raise DatasetError(f"{fit_on} has no good training images; `urushi doctor {fit_on}` shows what it has")
    return good


def _proposal(images: "Sequence[ImageSource]") -> "Proposal":
    from urushi.data.stream import Decoded, evenly
    from urushi.proposal import MOST_IMAGES, propose

    return propose(Decoded(evenly(images, MOST_IMAGES)))


def _write_proposal(proposal: "Proposal", recipe: "Recipe", mask: Path, path: Path) -> None:
    """The proposed recipe and the mask that it names; says why it is so."""
    from urushi.data.writing import write_image
    from urushi.reporting.page import write_whole

    if proposal.dead is not None:
        write_image(mask, proposal.dead)
    write_whole(path, recipe.to_toml())
    print("\n".join(proposal.reasons))
    print(printable(f"{path}: the proposed recipe, for `urushi fit --recipe` and `urushi prepare --recipe`"))

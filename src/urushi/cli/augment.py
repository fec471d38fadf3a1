"""urushi augment: writes an enlarged data set, from varied images, synthetic defects or a chosen share of anomalies."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import GoodFolderOption, note_found, note_problems
from urushi.data.progress import tracked
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.augmentation import Augmentation, Record, Wish
    from urushi.data.dataset import Dataset
    from urushi.inspection import Unreadable
    from urushi.recipe import Augmentation as Section


def augment(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Good images, or a data set of a known layout.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write, in MVTec layout.")],
    copies: Annotated[int | None, typer.Option(min=0, help="Variants of each image; else as the recipe says.")] = None,
    total: Annotated[int | None, typer.Option(min=1, help="Training images altogether, instead of --copies.")] = None,
    transforms: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Transforms in their order, such as rotation,flip.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(help="Recipe whose augmentation section says what is done.", autocompletion=_completion.recipe),
    ] = "default",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="augmentation.KEY=VALUE", help="Change one value of it.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    originals: Annotated[bool, typer.Option(help="Keep the images beside their variants.")] = True,
    parts: Annotated[
        Literal["train", "all"],
        typer.Option(
            help="What is varied. Variants of test images make intervals too narrow, since they are not independent."
        ),
    ] = "train",
    test_fraction: Annotated[
        float | None, typer.Option(help="Share of the training images to test with, split off first.")
    ] = None,
    synthetic_defects: Annotated[
        int, typer.Option(min=0, metavar="N", help="Test images with a synthetic defect, of each kind.")
    ] = 0,
    anomaly_ratio: Annotated[float | None, typer.Option(help="Share of anomalous test images, such as 0.05.")] = None,
    test_total: Annotated[
        int | None, typer.Option(min=1, help="Test images altogether, at that ratio; else as many as possible.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same files.")] = 0,
    layout: Annotated[str | None, typer.Option(help="Layout of IN, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
) -> None:
    """Write variants of images with their masks, and defects. The defects are synthetic; all is a larger data set."""
    from urushi.augmentation import Augmentation, Wish, enlarge, plan
    from urushi.data.dataset import find_dataset
    from urushi.data.mask_diagnosis import without_inverted

    section = _section(recipe, transforms, settings)
    wish = Wish(
        n_copies=copies if copies is not None else (section.n_copies if total is None else 0),
        n_training=total,
        keeps_originals=originals,
        augments_test=parts == "all",
        test_fraction=test_fraction,
        n_synthetic=synthetic_defects,
        anomaly_ratio=anomaly_ratio,
        n_test=test_total,
    )
    _require_sense(wish, has_transforms=bool(section.transforms))
    augmentation = Augmentation.of(section)
    dataset = find_dataset(source, layout=layout, good_folders=good_folder)
    samples, inverted = without_inverted(dataset.samples)
    dataset = replace(dataset, samples=samples)
    note_found(len(samples), "image", [source])
    note_problems([*dataset.problems, *inverted])
    pictures = plan(dataset.samples, wish, seed=seed)
    results = enlarge(dataset, out, augmentation, pictures, seed=seed, about=_about(dataset, wish, augmentation, seed))
    raise typer.Exit(_report(tracked(results, "writing", len(pictures)), out))


def _section(recipe: str, transforms: str | None, settings: list[str]) -> "Section":
    from urushi.errors import RecipeError
    from urushi.recipe import Recipe, parse_setting

    changes = dict(map(parse_setting, settings))
    if foreign := [key for key in changes if not key.startswith("augmentation.")]:
        raise RecipeError(f"{foreign[0]} has no effect here; settings are written augmentation.key=value")
    found = Recipe.find(recipe)
    if transforms is not None:
        parts = [{"name": name.strip()} for name in transforms.split(",") if name.strip()]
        found = found.with_settings({"augmentation.transforms": parts})
    return found.with_settings(changes).augmentation


def _require_sense(wish: "Wish", *, has_transforms: bool) -> None:
    from urushi import catalogue
    from urushi.augmentation import Wish
    from urushi.errors import InputError, RecipeError

    if wish in (Wish(), Wish(keeps_originals=False), Wish(augments_test=True)):
        raise InputError(
            "nothing is asked for; give --copies or --total for variants, or --synthetic-defects, --test-fraction or "
            "--anomaly-ratio"
        )
    if (wish.n_copies or wish.n_training) and not has_transforms:
        raise RecipeError(
            "no transforms are given, so all variants would be alike; give --transforms with some of "
            f"{', '.join(catalogue.names('urushi.augmentation'))}, or a recipe with augmentation"
        )


def _report(results: "Iterator[Record | Unreadable]", out: Path) -> int:
    """Counts what was written, on stdout; status 1 if something could not be."""
    from urushi.inspection import Unreadable

    folders: Counter[str] = Counter()
    n_unreadable = 0
    for result in results:
        if isinstance(result, Unreadable):
            _console.list_unreadable([result])
            n_unreadable += 1
        else:
            folders[result.file.rpartition("/")[0]] += 1
    for folder in sorted(folders):
        print(f"{folders[folder]:7d}  {out / folder}")
    if n_unreadable:
        _console.note(f"{n_unreadable} not read or not written")
    return 1 if n_unreadable else 0


def _about(dataset: "Dataset", wish: "Wish", augmentation: "Augmentation", seed: int) -> str:
    return f"""Written by `urushi augment`; keep nothing of your own here.

From: {printable(str(dataset.root.resolve()))} ({dataset.layout})
Wish: {wish}
Done: {augmentation}
Seed: {seed}

augmentation.jsonl tells for each file its source and the numbers that were drawn; urushi.augmentation.replay makes the
picture again from them. Masks were moved with their images. Variants come from training images only, unless test
images were asked for as well (S2 §5.2.4 did so): variants of one test image are not independent, so that intervals
around figures become too narrow, and figures tell of made-up images. Defects named synthetic_… are painted: figures
measured on them say nothing about real defects."""

"""urushi tune: options of a recipe, chosen on good images alone."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import note_found, note_problems
from urushi.cli._engine import BudgetOption, EngineName, EngineOption, RayAddressOption, engine_of
from urushi.printable import printable


def tune(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Name or file of a recipe.", autocompletion=_completion.recipe)
    ],
    good: Annotated[Path, typer.Argument(metavar="GOOD_DIR", help="Folder of good images, or a data set.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The recipe that is written.")],
    trials: Annotated[int, typer.Option(min=1, help="How many sets of options are tried.")] = 30,
    over: Annotated[
        str | None, typer.Option(help="Settings that are tuned, separated by commas; without it, all that can be.")
    ] = None,
    storage: Annotated[
        Path | None, typer.Option(help="Where trials are kept (SQLite). [default: FILE with the ending .sqlite]")
    ] = None,
    budget_seconds: BudgetOption = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
) -> None:
    """Tune options of a recipe on good images alone. Faint defects are planted in them. It goes on where it stopped."""
    from urushi.applications.tuning import PRELOAD, tune, words
    from urushi.catalogue.extras import require
    from urushi.data.dataset import find_dataset
    from urushi.recipe import Recipe
    from urushi.reporting.page import write_whole

    chosen = Recipe.find(recipe)
    require("torch", "train")
    require("optuna", "tune")
    dataset = find_dataset(good)
    note_problems(dataset.problems)
    samples = dataset.normal_training()
    note_found(len(samples), "good image", [good])
    names = [name.strip() for name in (over or "").split(",") if name.strip()]
    found = tune(
        [sample.path for sample in samples],
        dataset.fingerprint(samples),
        chosen,
        storage=storage or output.with_suffix(".sqlite"),
        n_trials=trials,
        engine=engine_of(engine, ray_address, PRELOAD),
        budget_seconds=budget_seconds,
        over=names,
        say=lambda text: _console.note(printable(text)),
    )
    said = words(found)
    described = found.recipe.model_copy(update={"description": f"{chosen.description} Tuned: {said}".strip()})
    write_whole(output, described.to_toml())
    print(printable(said))
    print(printable(f"recipe: {output}"))

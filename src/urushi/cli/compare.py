"""urushi compare: recipes on data sets, and whether their differences are real."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import note_problems
from urushi.cli._engine import BudgetOption, EngineName, EngineOption, RayAddressOption, engine_of
from urushi.printable import counted, printable


def compare(
    datasets: Annotated[
        list[Path], typer.Argument(metavar="DATASET", help="Data sets with a labelled test split, or folders of such.")
    ],
    recipes: Annotated[
        str, typer.Option(help="Names or files of recipes, separated by commas.", autocompletion=_completion.recipe)
    ],
    repeats: Annotated[int, typer.Option(min=1, help="Fits of each recipe on each data set, with seeds 0, 1, …")] = 1,
    budget_seconds: BudgetOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; given again, it goes on there.")] = Path(
        "comparison"
    ),
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
) -> None:
    """Compare recipes on data sets. It tells figures, times, ranks, and which differences are real."""
    from urushi.catalogue.extras import require
    from urushi.cli._runs import Runs
    from urushi.data.dataset import datasets_in
    from urushi.study.comparison import compare, planned
    from urushi.study.measuring import PRELOAD

    found = [datasets_in(folder) for folder in datasets]
    note_problems([problem for _, problems in found for problem in problems])
    names = [name.strip() for name in recipes.split(",") if name.strip()]
    plan = planned([place for places, _ in found for place in places], names, repeats)
    require("torch", "train")
    runner = engine_of(engine, ray_address, PRELOAD)
    with Runs(tuple(plan.runs()), runner.n_parallel, budget_seconds).shown() as watch:
        results, said = compare(plan, out, watch, runner, budget_seconds)
    print(printable(said))
    print(printable(f"{out}: {counted(len(results.records), 'run')}; open {out / 'comparison.html'}"))
    n_unreadable = len({text for record in results.records for text in record.unreadable})
    if n_unreadable:
        _console.note(f"{counted(n_unreadable, 'test image')} could not be read; the notes name them")
    if results.failures:
        _console.note(f"{counted(len(results.failures), 'run')} gave no figures; the page says which and why")
    if n_unreadable or results.failures:
        raise typer.Exit(1)

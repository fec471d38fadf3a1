"""urushi study: recipes compared on data sets, as a file describes it."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _console
from urushi.cli._engine import BudgetOption, EngineName, EngineOption, RayAddressOption, engine_of
from urushi.printable import counted, printable


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study, a TOML file; see docs/studies.md.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; given again, the study goes on there.")],
    data: Annotated[
        Path | None, typer.Option(envvar="URUSHI_DATA", help="The folder of its data sets, if not that of FILE.")
    ] = None,
    is_report: Annotated[
        bool, typer.Option("--report-only", help="Write the results of what has been measured so far; fit nothing.")
    ] = False,
    budget_seconds: BudgetOption = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
) -> None:
    """Compare recipes on data sets, with repeats. It goes on where it was interrupted."""
    from urushi.catalogue.extras import require
    from urushi.cli._runs import Runs
    from urushi.study import Study
    from urushi.study.cautions import cautions
    from urushi.study.drawing import measured
    from urushi.study.measuring import PRELOAD
    from urushi.study.running import report, run
    from urushi.study.summary import Summary

    plan = Study.of(file)
    require("torch", "train")
    folder = data or file.parent
    if is_report:
        records, failures = report(plan, folder, out)
    else:
        runner = engine_of(engine, ray_address, PRELOAD)
        with Runs(tuple(plan.runs()), runner.n_parallel, budget_seconds).shown() as watch:
            records, failures = run(plan, folder, out, watch, runner, budget_seconds)
    n_unreadable = len({text for record in records for text in record.unreadable})
    for caution in cautions(plan, Summary.of(measured(plan, records)), records):
        _console.note(f"warning: {printable(caution)}")
    print(printable(f"{out}: {len(records)} runs; open {out / 'study.html'}"))
    if n_unreadable:
        _console.note(f"{counted(n_unreadable, 'test image')} could not be read; the notes of the study name them")
    if failures:
        _console.note(f"{counted(len(failures), 'run')} gave no figures; the notes of the study say why")
    if n_unreadable or failures:
        raise typer.Exit(1)

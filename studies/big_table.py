"""python -m studies.big_table [--recipes a,b] [--categories c,d] [--budget-seconds 600] [--report-only]

Every recipe that comes along on every category of URUSHI_DATA: each fit is a job of `urushi compare` in a process of
its own, which is stopped after the budget. Closed forms come first, then what is trained; of these, short fits on the
smallest category tell how many epochs the budget allows on each (`big_table-cuts.json`), and a recipe that has more is
cut to so many, and to half of them where that took too long. Where the fit and the inspection of the test split took
less than two minutes, two more seeds follow. What has a record in `studies/results/big_table/records` is not measured
again, so it may be killed at any moment; with --engine ray the jobs run on the cluster of RAY_ADDRESS.

Writes docs/results.md, and once nothing is missing the best recipes into README.md; with --report-only it measures
nothing.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import command_line, record

from studies import CATEGORIES, DATA, RESULTS
from studies.big_table_page import page
from studies.epoch_budget import Cost, cost
from urushi.catalogue import entries
from urushi.cli._engine import EngineName, engine_of
from urushi.data.dataset import Dataset, find_dataset
from urushi.jobs import Engine, Job
from urushi.models.base import Reconstructor
from urushi.recipe import Recipe, recipe_names
from urushi.study.collecting import Results, Step, collect, so_far
from urushi.study.measuring import PRELOAD
from urushi.study.plan import Data, Method, Study

_PAGE = record.ROOT / "docs" / "results.md"
_README = record.ROOT / "README.md"
_REPEATS, _QUICK_S = 3, 120.0
_BEST = re.compile(r" ?All recipes: \[docs/results\.md\][^\n]*")
_AFTER = "[docs/measured.md](docs/measured.md)."


def is_closed_form(recipe: str) -> bool:
    """Whether it learns without epochs."""
    return bool(entries.load("urushi.models", Recipe.find(recipe).model.name, Reconstructor).is_closed_form)


class Plan:
    """What is fitted on what, as far as it is known: of trained recipes the cuts have to be there."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.out: Path = options.out
        self.recipes: list[str] = options.recipes or list(recipe_names())
        self.datasets: dict[str, Dataset] = {name: find_dataset(DATA / name) for name in options.categories}
        self.budget: float = options.budget_seconds
        self.cuts: dict[str, dict[str, Any]] = self._read_cuts()

    @property
    def cuts_file(self) -> Path:
        return self.out.with_name(f"{self.out.name}-cuts.json")

    def _read_cuts(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self.cuts_file.read_text("utf-8")) if self.cuts_file.is_file() else {}
        if found and found["budget_seconds"] != self.budget:
            sys.exit(f"error: {self.cuts_file} is of a budget of {found['budget_seconds']:g} s; give another --out")
        return dict(found.get("recipes", {}))

    def keep(self, recipe: str, found: dict[str, Any]) -> None:
        """What is known of the cost of a recipe, on the disk, too."""
        self.cuts[recipe] = found
        record.write(self.cuts_file.parent, self.cuts_file.stem, {"budget_seconds": self.budget, "recipes": self.cuts})

    def epochs(self, recipe: str, category: str) -> int | None:
        """To which a recipe is cut; None: it has all of its own, or none."""
        n = self._planned(recipe, category)
        return n if n is not None and n < Recipe.find(recipe).training.max_epochs else None

    def _planned(self, recipe: str, category: str) -> int | None:
        """How many the budget allows; None of a closed form, and where it is not known."""
        known, dataset = self.cuts.get(recipe, {}).get("cost"), self.datasets[category]
        if known is None or is_closed_form(recipe):
            return None
        counts = len(list(dataset.normal_training())), len(list(dataset.test()))
        found = Cost(**known).epochs(Recipe.find(recipe), self.budget, *counts)
        return max(1, found // self._slower(recipe).get(category, 1))

    def _slower(self, recipe: str) -> dict[str, int]:
        """How many times as long as expected an epoch takes on a category, as far as that has shown."""
        return dict(self.cuts.get(recipe, {}).get("slower", {}))

    def shorten(self, recipe: str, category: str) -> bool:
        """Half as many epochs where there is more than one: it took longer than its budget; whether that can be."""
        known = self.cuts.get(recipe, {})
        if self._planned(recipe, category) in (None, 1):
            return False
        slower = self._slower(recipe)
        self.keep(recipe, known | {"slower": slower | {category: 2 * slower.get(category, 1)}})
        return True

    def study(self, recipes: Sequence[str], category: str, repeats: int) -> Study:
        """Some recipes on one category."""
        methods = [
            Method(name=one, recipe=one, settings={} if (n := self.epochs(one, category)) is None else _cut(n))
            for one in recipes
        ]
        data = Data(name=category, folder=str(DATA / category))
        return Study(title="Every recipe", data=(data,), methods=tuple(methods), repeats=repeats)

    def results(self) -> Results:
        """All that was measured, or failed."""
        found = [
            so_far(self.study(self.known(), name, _REPEATS), {name: one}, self.out)
            for name, one in self.datasets.items()
        ]
        return Results.of(item for some in found for items in some for item in items)

    def known(self) -> list[str]:
        """Recipes of which it is known what they are cut to, if at all."""
        return [one for one in self.recipes if is_closed_form(one) or self.cuts.get(one, {}).get("cost")]


def _cut(n: int) -> dict[str, Any]:
    return {"training.max_epochs": n, "training.max_steps": 0}


def measure(plan: Plan, engine: Engine) -> None:
    """What is missing: closed forms first, of each category one seed of all and then more seeds of what is quick."""
    closed = [one for one in plan.recipes if is_closed_form(one)]
    for some in (closed, [one for one in plan.recipes if one not in closed]):
        for recipe in some:
            if recipe not in closed and recipe not in plan.cuts:
                _probe(plan, recipe, engine)
        ready = [one for one in some if one in plan.known()]
        for category, dataset in plan.datasets.items() if ready else ():
            how = ({category: dataset}, plan.out, _tell, engine, plan.budget)
            found = collect(plan.study(ready, category, 1), *how)
            while [one for one in found.failures if one.state == "stopped" and plan.shorten(one.method, category)]:
                found = collect(plan.study(ready, category, 1), *how)
            if quick := [one.method for one in found.records if seconds(one) < _QUICK_S]:
                collect(plan.study(quick, category, _REPEATS), *how)


def seconds(one: Any) -> float:
    """About what a job took: the fit, and each test image."""
    return float(one.facts["seconds"]) + len(one.sources) * float(one.facts.get("inspection_seconds") or 0)


def _probe(plan: Plan, recipe: str, engine: Engine) -> None:
    """Notes what a recipe costs on the category with the fewest good images, or why that can't be told."""
    smallest = min(plan.datasets.values(), key=lambda one: len(list(one.normal_training())))
    good, test = ([sample.path for sample in some] for some in (smallest.normal_training(), smallest.test()))
    work = partial(cost, Recipe.find(recipe), good, test)
    print(f"{recipe}: what an epoch costs", file=sys.stderr, flush=True)
    ((_, outcome),) = engine.run([Job(f"cost of {recipe}", work, plan.budget)], lambda _: None)
    known = {"cost": asdict(outcome.value)} if outcome.state == "done" else {"cost": None, "reason": outcome.reason}
    plan.keep(recipe, known)


def _tell(step: Step) -> None:
    if step.state != "kept":
        reason = getattr(step.result, "reason", step.state)
        print(f"{step.run.name}: {reason}", file=sys.stderr, flush=True)


def report(plan: Plan, to: Path, readme: Path) -> None:
    """The page from the records, and the best recipes into the README where all is there."""
    results = plan.results()
    text, best = page(plan, results)
    to.write_text(text, "utf-8")
    print(f"written: {to}", file=sys.stderr)
    if best and set(plan.datasets) == set(CATEGORIES) and set(plan.recipes) == set(recipe_names()):
        shown = ", ".join(f"`{name}` {mean:.3f}" for name, mean in best)
        line = f" All recipes: [docs/results.md](docs/results.md); best by mean rank, with mean ROC-AUC: {shown}."
        words = _BEST.sub("", readme.read_text("utf-8"))
        readme.write_text(words.replace(_AFTER, f"{_AFTER}{line}", 1), "utf-8")


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS / "big_table", categories=list(CATEGORIES))
    parser.add_argument("--recipes", type=command_line.names, help="names; without it, all that come along")
    parser.add_argument("--budget-seconds", type=float, default=600.0, help="of each job")
    parser.add_argument("--engine", type=EngineName, default=EngineName.local)
    parser.add_argument("--page", type=Path, default=_PAGE)
    parser.add_argument("--readme", type=Path, default=_README)
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    options.out = options.results
    return options


def main() -> None:
    options = _options()
    plan = Plan(options)
    if not options.report_only:
        measure(plan, engine_of(options.engine, os.environ.get("RAY_ADDRESS"), PRELOAD))
    report(plan, options.page, options.readme)


if __name__ == "__main__":
    main()

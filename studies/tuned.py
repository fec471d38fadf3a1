"""python -m studies.tuned [--recipes pixel-pca,dfm] [--on xray_weld,screw,solar_cell] [--trials 12] [--report-only]

Whether options that `urushi tune` finds on the good images of one category help on others: each recipe is tuned on the
good images of three categories, one by one, and where the best trial is surely better by planted defects, the recipe
with its options is fitted on the four categories that chose nothing, beside the recipe as it is. Nothing is chosen on a
test image. Needs the extra `tune`. Trials lie in `studies/results/tuned/NAME.sqlite`, fits in `fits/records`, and both
go on where they stopped; writes studies/results/tuned.md and tuned.json.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import command_line, record

from studies import CATEGORIES, DATA, RESULTS
from urushi.applications.tuning import PRELOAD as TUNING
from urushi.applications.tuning import tune, words
from urushi.data.dataset import find_dataset
from urushi.jobs import LocalEngine
from urushi.recipe import Recipe
from urushi.study.collecting import Results, Step, collect, so_far
from urushi.study.comparison.figures import roc_auc
from urushi.study.measuring import PRELOAD
from urushi.study.plan import Data, Method, Study

_ON = ("xray_weld", "screw", "solar_cell")


def tuned(recipe: str, category: str, options: argparse.Namespace) -> dict[str, Any]:
    """What the tuning of a recipe on a category has found; of an earlier time where that is known."""
    place = options.results / "tuned" / f"{recipe}-{category}.json"
    if place.is_file():
        known: dict[str, Any] = json.loads(place.read_text("utf-8"))
        if known["trials"] == options.trials:
            return known
    if options.report_only:
        sys.exit(f"error: {recipe} was not tuned on {category} with {options.trials} trials yet")
    dataset = find_dataset(DATA / category)
    good = dataset.normal_training()
    place.parent.mkdir(parents=True, exist_ok=True)
    how = {"storage": place.with_suffix(".sqlite"), "n_trials": options.trials, "budget_seconds": options.budget}
    say = partial(print, f"{recipe} on {category}:", file=sys.stderr, flush=True)
    sources, prints = [sample.path for sample in good], dataset.fingerprint(good)
    found = tune(sources, prints, Recipe.find(recipe), **how, engine=LocalEngine(TUNING), say=say)
    settings = dict(found.settings) if found.is_better else {}
    facts = {"recipe": recipe, "category": category, "trials": options.trials, "settings": settings}
    facts |= {"said": words(found), **record.commit()}
    record.write(place.parent, place.stem, facts)
    return facts


def study(recipe: str, found: list[dict[str, Any]], categories: list[str]) -> Study:
    """The recipe as it is, and with the options of each category that has found better ones."""
    methods = [Method(name=recipe, recipe=recipe)]
    methods += [_with(recipe, one) for one in found if one["settings"]]
    data = tuple(Data(name=one, folder=str(DATA / one)) for one in categories)
    return Study(title="Tuned", data=data, methods=tuple(methods))


def _with(recipe: str, found: dict[str, Any]) -> Method:
    return Method(name=f"{recipe} by {found['category']}", recipe=recipe, settings=found["settings"])


def _tell(step: Step) -> None:
    if step.state != "kept":
        print(f"{step.run.name}: {getattr(step.result, 'reason', step.state)}", file=sys.stderr, flush=True)


def rows(results: Results) -> list[dict[str, Any]]:
    """The ROC-AUC of each recipe on each category, with what made it."""
    return [
        {"recipe": found.method, "category": found.data, "roc_auc": roc_auc(found), **_made(found.environment)}
        for found in results.records
    ]


def _made(environment: dict[str, Any]) -> dict[str, Any]:
    return {name: environment[name] for name in ("commit", "is_dirty", "machine")}


def markdown(made: dict[str, Any]) -> str:
    """What was found on each category, and what it is worth on those that chose nothing."""
    categories, rest = made["categories"], {(r["recipe"], r["category"]): r["roc_auc"] for r in made["rows"]}
    lines = ["# Options tuned on some categories, on others", "", __doc__.partition("\n\n")[2].strip(), ""]
    lines += [f"- {one['recipe']} on {one['category']}: {one['said']}" for one in made["tuned"]]
    lines += ["", f"| recipe | {' | '.join(categories)} | mean |", f"|---|{'---|' * (len(categories) + 1)}"]
    for name in dict.fromkeys(row["recipe"] for row in made["rows"]):
        values = [rest.get((name, one)) for one in categories]
        there = [value for value in values if value is not None]
        shown = ["—" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {' | '.join(shown)} | {sum(there) / len(there):.3f} |")
    lines += ["", "ROC-AUC of images, seed 0. A category without a line of its own found nothing surely better."]
    lines += [f"- not measured: {text}" for text in made["failures"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, recipes=["pixel-pca", "dfm"], on=list(_ON), trials=12, budget=600)
    parser.add_argument("--categories", type=command_line.names, help="to measure on; without it, all others")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    options = parser.parse_args()
    categories = options.categories or [one for one in CATEGORIES if one not in options.on]
    datasets = {one: find_dataset(DATA / one) for one in categories}
    out: Path = options.results / "tuned" / "fits"
    made: dict[str, Any] = {"categories": categories, "trials": options.trials, "tuned": [], "rows": [], "failures": []}
    for recipe in options.recipes:
        found = [tuned(recipe, one, options) for one in options.on]
        plan = study(recipe, found, categories)
        if not options.report_only:
            collect(plan, datasets, out, _tell, LocalEngine(PRELOAD), options.budget)
        results = so_far(plan, datasets, out)
        made["tuned"] += found
        made["rows"] += rows(results)
        made["failures"] += [f"{one.data}, {one.method}: {one.reason}" for one in results.failures]
    record.publish(options.results, "tuned", made, markdown)


if __name__ == "__main__":
    main()

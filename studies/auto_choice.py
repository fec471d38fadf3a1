"""python -m studies.auto_choice [--categories …] [--results DIR]

What choosing by planted defects is worth: for each of the seven categories, candidates are tried on its good training
images alone, as `urushi fit --recipe auto` does but without its limit of time; then each is fitted on all of them and
scores the test images. Compared are the first candidate everywhere, the one that was taken, the one with the highest
ROC-AUC on planted defects, and the one that happens to be best on the test images. Results:
studies/results/auto_choice.json and .md.
"""

import statistics
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks import command_line
from scipy.stats import spearmanr

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.default_choice import test_auc
from urushi import Recipe
from urushi.data.dataset import find_dataset
from urushi.fitting import model_selection
from urushi.fitting.learning import Run

NEAREST = {"model.name": "feature_reconstruction", "model.kind": "nearest", "score.top_fraction": 0.03}
CANDIDATES: dict[str, dict[str, Any]] = {
    "default": {},
    "map": {"model.weight": 2.0},
    "map alone": {"model.weight": 0.0},
    "darker": {"preprocessing.exposure.mean": 0.2},
    "nearest": NEAREST | {"split.n_folds": 5},
}
ABOUT = (
    "Trial: image ROC-AUC of held-out good training images against the same with planted defects. Test: image ROC-AUC "
    "of the real test images, fitted on all good training images. Bold: taken by the rule of `auto`."
)


def measure(category: str) -> Iterator[dict[str, Any]]:
    candidates = [{"name": name, "settings": settings} for name, settings in CANDIDATES.items()]
    table = Recipe.find("auto").model_dump(exclude_none=True)
    table["trial"] = {"max_seconds": 1e9, "candidates": candidates}
    recipe = Recipe.from_table(table, "study")
    good = [sample.path for sample in find_dataset(DATA / category).normal_training()]
    with tempfile.TemporaryDirectory() as folder:
        facts = model_selection.choose(good, recipe, Run(0, Path(folder)), lambda _: None).facts
    tests = {candidate.name: test_auc(recipe.of(candidate), category)[0] for candidate in recipe.trial.candidates}
    yield {"test": tests, "trial": facts}


def markdown(found: dict[str, Any]) -> str:
    names, rows = list(CANDIDATES), found["rows"]
    lines = ["# Choosing by planted defects", "", found["about"], ""]
    lines += [f"| category | {' | '.join(f'{name}: trial, test' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {row['category']} | {' | '.join(cells(row))} |" for row in rows]
    lines += ["", "| rule | mean test ROC-AUC | by category |", "|---|---|---|"]
    for rule, pick in RULES.items():
        values = [row["test"][pick(row)] for row in rows]
        by_category = ", ".join(f"{value:.3f} ({pick(row)})" for value, row in zip(values, rows, strict=True))
        lines.append(f"| {rule} | {statistics.fmean(values):.4f} | {by_category} |")
    ranks = [spearmanr(list(planted(row).values()), list(row["test"].values())).statistic for row in rows]
    told = ", ".join(f"{row['category']} {rank:.2f}" for row, rank in zip(rows, ranks, strict=True))
    return "\n".join([*lines, "", left_out(rows), "", f"Spearman's ρ of trial and test over candidates: {told}."])


def planted(row: dict[str, Any]) -> dict[str, float]:
    return {one["name"]: one["roc_auc"] for one in row["trial"]["candidates"]}


def among(names: Collection[str], row: dict[str, Any]) -> str:
    """What the recipe's rule takes of some candidates, the first of which is the default."""
    rows = [one for one in row["trial"]["candidates"] if one["name"] in names]
    best = max(rows, key=lambda one: one["roc_auc"])
    return str(best["name"] if best["gain"] > 2 * best["standard_error"] else next(iter(CANDIDATES)))


def shipped(row: dict[str, Any]) -> str:
    """By the recipe's rule among its own candidates."""
    return among([candidate.name for candidate in Recipe.find("auto").trial.candidates], row)


def mean(names: Collection[str], rows: Sequence[dict[str, Any]]) -> float:
    """Test ROC-AUC of what is taken of some candidates."""
    return statistics.fmean(row["test"][among(names, row)] for row in rows)


def left_out(rows: Sequence[dict[str, Any]]) -> str:
    """Which candidates would be chosen on all categories but one, and what they are worth on that one."""
    first, *others = CANDIDATES
    sets = [(first, *more) for n in range(1, len(others) + 1) for more in combinations(others, n)]
    rest = [[row for row in rows if row is not out] for out in rows]
    chosen = [max(sets, key=partial(mean, rows=some)) for some in rest]
    worth = statistics.fmean(mean(names, [out]) for names, out in zip(chosen, rows, strict=True))
    by_category = ", ".join(f"{row['category']} {' + '.join(names)}" for names, row in zip(chosen, rows, strict=True))
    every = ", ".join(f"{' + '.join(names)} {mean(names, rows):.4f}" for names in sets)
    return (
        f"Candidates chosen on six categories are worth {worth:.4f} on the seventh ({by_category}), the default alone "
        f"{mean((first,), rows):.4f}. On all seven: {every}."
    )


def cells(row: dict[str, Any]) -> list[str]:
    found = {name: f"{value:.3f}, {row['test'][name]:.3f}" for name, value in planted(row).items()}
    return [f"**{cell}**" if name == row["trial"]["taken"] else cell for name, cell in found.items()]


RULES: dict[str, Callable[[dict[str, Any]], str]] = {
    "always the first": lambda _: next(iter(CANDIDATES)),
    "taken by the rule of `auto`": lambda row: row["trial"]["taken"],
    "the same among the candidates that the recipe has": shipped,
    "highest on planted defects": lambda row: max(planted(row), key=planted(row).__getitem__),
    "best on the test images (nobody can know)": lambda row: max(row["test"], key=row["test"].__getitem__),
}


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    categories = ({"category": category} for category in options.categories)
    jobs.run((options.results, "auto_choice"), categories, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()

"""The page on every recipe on every category, from the records alone."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from urushi.evaluation.below_chance import MARK, NOTE
from urushi.printable import counted
from urushi.recipe import Recipe
from urushi.study.collecting import Results
from urushi.study.comparison.figures import IMAGE, PIXEL, Cell, cell
from urushi.study.comparison.tables import shown
from urushi.study.comparison.verdict import Pair, Verdict, verdict
from urushi.study.page import circumstances, markdown
from urushi.study.table import NONE, Table

if TYPE_CHECKING:
    from studies.big_table import Plan

YARDSTICK = "pixel-pca"
_N_BEST = 3
Cells = Mapping[tuple[str, str], Cell]  # by recipe and category


def page(plan: "Plan", results: Results) -> tuple[str, list[tuple[str, float]]]:
    """The Markdown, and the best recipes with their mean ROC-AUC; none while some category lacks a try."""
    cells = {(one, data): _cell(one, data, results) for one in plan.recipes for data in plan.datasets}
    tried = {place: one for place, one in cells.items() if one.figures or one.failures}
    found = verdict([one for one in cells.values() if one.figures], results.records)
    tables = [_overview(plan, cells, found), *(_of_data(cells, data) for data in plan.datasets)]
    tables += [_beside_the_best(found), _missing(plan, cells)]
    shown_tables = [markdown(one) for one in tables if one.rows]
    head = "\n\n".join(["# Every recipe on every category", _about(plan, cells, tried), _told(found)])
    notes = "\n".join(f"- {note}" for note in (circumstances(results.records) if results.records else []))
    text = "\n\n".join(part for part in (head, *shown_tables, notes) if part) + "\n"
    unknown = [one for one in plan.recipes if plan.cuts.get(one, {}).get("reason")]
    is_whole = len(tried) == len(cells) - len(unknown) * len(plan.datasets)
    best = [(one, _mean_of(cells, one, plan)) for one in list(found.ranks)[:_N_BEST]] if is_whole else []
    return (text if MARK not in text else f"{text}\n{NOTE}\n"), best


def _cell(recipe: str, data: str, results: Results) -> Cell:
    own = [[one for one in some if (one.data, one.method) == (data, recipe)] for some in results]
    return cell(data, recipe, Recipe.find(recipe).threshold, *own)  # type: ignore[arg-type]


def _about(plan: "Plan", cells: Cells, tried: Cells) -> str:
    trained = counted(len(plan.recipes), "recipe")
    state = "" if len(tried) == len(cells) else f" So far {len(tried)} of {len(cells)} combinations have been tried."
    return (
        f"{trained} on {counted(len(plan.datasets), 'category', 'categories')} by `python -m studies.big_table`, which "
        f"measures what is missing and writes this page.{state} Each fit had {plan.budget:g} s, with what follows it; "
        "one that took longer is called stopped. Recipes that are trained were cut to as many epochs as the budget "
        "allows (shown as `epochs`, the fewest and the most over categories): their figures are not those of a whole "
        "training. One seed, and three where a fit and its inspection took less than two minutes. Thresholds come from "
        "held-out good images alone, nothing here was chosen on test images; but who picks a recipe by this page "
        "chooses on them."
    )


def _told(found: Verdict) -> str:
    """What the tests say of the ranks."""
    if found.friedman is None:
        return found.reason
    names = list(found.ranks)
    groups = "; ".join(", ".join(names[first : last + 1]) for first, last in found.cliques)
    return (
        f"Friedman's test over categories: p = {found.friedman.p_value:.2g}. By Nemenyi's test mean ranks differ where "
        f"they are more than {found.friedman.critical_difference:.2f} apart; not told apart: {groups or 'none'}."
    )


def _overview(plan: "Plan", cells: Cells, found: Verdict) -> Table:
    ranked = list(found.ranks)
    rest = [one for one in plan.recipes if one not in ranked]
    names = [*ranked, *sorted(rest, key=lambda one: -_mean_of(cells, one, plan))]
    columns = ("recipe", "rank", "mean", f"− {YARDSTICK}", *plan.datasets, "epochs", "fit, s", "inspect, ms")
    note = (
        f"ROC-AUC of images; ± over seeds. `− {YARDSTICK}`: how far the mean lies above that of principal components "
        "of pixels on the same categories, the plainest recipe. Without a rank: not measured on all of them."
    )
    rows = tuple(_glance(plan, cells, one, found.ranks.get(one)) for one in names)
    return Table("All recipes", columns, rows, note)


def _glance(plan: "Plan", cells: Cells, recipe: str, rank: float | None) -> tuple[str, ...]:
    own = [cells[recipe, data] for data in plan.datasets]
    there = [one for one in own if one.figures]
    beside = [
        _value(one) - _value(cells[YARDSTICK, one.data])
        for one in there
        if (YARDSTICK, one.data) in cells and cells[YARDSTICK, one.data].figures
    ]
    costs = (
        [one.fit_seconds for one in there if one.fit_seconds is not None],
        [1000 * one.inspection_seconds for one in there if one.inspection_seconds is not None],
    )
    return (
        recipe,
        NONE if rank is None else f"{rank:.1f}",
        f"{np.mean([_value(one) for one in there]):.3f}" if there else NONE,
        f"{np.mean(beside):+.3f}" if beside else NONE,
        *map(_short, own),
        _epochs(plan, recipe),
        *(f"{np.mean(found):.1f}" if found else NONE for found in costs),
    )


def _short(one: Cell) -> str:
    if not one.figures:
        return " and ".join(sorted({failure.state for failure in one.failures})) or NONE
    spread = f" ± {np.std(one.by_repeat, ddof=1):.3f}" if len(one.by_repeat) > 1 else ""
    value = _value(one)
    return f"{value:.3f}{spread}{f' {MARK}' if value < 0.5 else ''}"


def _epochs(plan: "Plan", recipe: str) -> str:
    """Of how many it was cut to how many; nothing where it has all of its own."""
    cut = [n for data in plan.datasets if (n := plan.epochs(recipe, data)) is not None]
    if not cut:
        return ""
    fewest, most = min(cut), max(cut)
    shown = f"{fewest}" if fewest == most else f"{fewest}–{most}"
    return f"{shown} of {Recipe.find(recipe).training.max_epochs}"


def _of_data(cells: Cells, data: str) -> Table:
    own = [one for (_, name), one in cells.items() if name == data and one.figures]
    own.sort(key=lambda one: -_value(one))
    has_pixels = any(one.figures[name].value is not None for one in own for name in PIXEL)
    names = {**IMAGE, **(PIXEL if has_pixels else {})}
    rows = tuple(
        (
            one.recipe,
            *(shown(name, one.figures[name]) for name in names),
            NONE if one.stated_rate is None else f"{one.stated_rate:.3f}",
            str(one.repeats),
        )
        for one in own
    )
    note = "In brackets the 95 % interval over images. Recall and false alarms at the recipe's own threshold."
    return Table(data, ("recipe", *names.values(), "stated rate", "seeds"), rows, note)


def _beside_the_best(found: Verdict) -> Table:
    best = next(iter(found.ranks), None)
    pairs = [one for one in found.pairs if best in (one.first, one.second)]
    rows = tuple(map(_against(best), sorted(pairs, key=lambda one: one.found.p_value))) if best else ()
    columns = ("recipe", "ROC-AUC of the best − its", "p after Holm", "categories")
    note = (
        "On the same images, resampled 4,000 times; corrected for all pairs of recipes. It says what other images of "
        "these categories would change, and nothing of other categories."
    )
    return Table(f"Beside {best}", columns, rows, note)


def _against(best: str | None) -> Callable[[Pair], tuple[str, ...]]:
    def row(pair: Pair) -> tuple[str, ...]:
        one, sign = pair.found, 1 if pair.first == best else -1
        value, *ends = (sign * number for number in (one.value, one.low, one.high))
        name = pair.second if pair.first == best else pair.first
        interval = f"{value:+.3f} [{min(ends):+.3f}, {max(ends):+.3f}]"
        return name, interval, f"{pair.corrected_p:.4f}", str(len(pair.data))

    return row


def _missing(plan: "Plan", cells: Cells) -> Table:
    rows: list[tuple[str, ...]] = [
        (one.recipe, one.data, str(failure.seed), failure.state, f"{failure.seconds:.0f}", failure.reason)
        for one in cells.values()
        for failure in one.failures
    ]
    rows += [
        (name, "all", NONE, "not begun", NONE, f"what an epoch costs could not be told: {known['reason']}")
        for name, known in plan.cuts.items()
        if known.get("reason") and name in plan.recipes
    ]
    return Table("Not measured", ("recipe", "category", "seed", "what", "after, s", "why"), tuple(rows))


def _value(one: Cell) -> float:
    value = one.figures["roc_auc"].value
    return float("nan") if value is None else value


def _mean_of(cells: Cells, recipe: str, plan: "Plan") -> float:
    values = [_value(one) for data in plan.datasets if (one := cells[recipe, data]).figures]
    return float(np.mean(values)) if values else -1.0

"""The tables of a comparison: all recipes at a glance, each data set, and the pairs."""

from collections.abc import Sequence

import numpy as np

from urushi.evaluation.below_chance import MARK
from urushi.evaluation.resampling import Figure
from urushi.printable import counted
from urushi.study.comparison.figures import IMAGE, PIXEL, Cell
from urushi.study.comparison.verdict import Pair, Verdict
from urushi.study.table import NONE, Table
from urushi.study.tables import remarked

_MIB = 1 << 20
_LEVEL = 0.05
_INTERVAL = "In brackets the 95 % interval over images."


def tables(cells: Sequence[Cell], verdict: Verdict) -> list[Table]:
    """At a glance, of each data set, of the pairs, and of what was not measured."""
    data = list(dict.fromkeys(one.data for one in cells))
    found = [_overview(cells, data, verdict), *(_of_data([c for c in cells if c.data == name]) for name in data)]
    return [remarked(one) for one in (*found, _of_pairs(verdict.pairs), _missing(cells)) if one.rows]


def _overview(cells: Sequence[Cell], data: Sequence[str], verdict: Verdict) -> Table:
    by_place = {(one.recipe, one.data): one for one in cells}
    recipes = [*verdict.ranks, *verdict.left_out]
    rows = tuple(_glance([by_place[one, name] for name in data], verdict.ranks.get(one)) for one in recipes)
    columns = ("recipe", "mean rank", "mean ROC-AUC", *data, "fit, s", "inspect, ms", "memory, MiB")
    note = "Best mean rank first; without a rank, what some data set lacks. Times and memory: means over data sets."
    return Table("All recipes", columns, rows, f"ROC-AUC of images. {_INTERVAL} {note}")


def _glance(cells: Sequence[Cell], rank: float | None) -> tuple[str, ...]:
    values = [one.figures["roc_auc"].value for one in cells if one.figures]
    mean = NONE if rank is None else f"{np.mean([v for v in values if v is not None]):.3f}"
    figures = [_state(one) or shown("roc_auc", one.figures["roc_auc"]) for one in cells]
    return (cells[0].recipe, NONE if rank is None else f"{rank:.2f}", mean, *figures, *_costs(cells))


def _costs(cells: Sequence[Cell]) -> tuple[str, str, str]:
    columns = (
        [one.fit_seconds for one in cells],
        [one.inspection_seconds and 1000 * one.inspection_seconds for one in cells],
        [one.peak_memory and one.peak_memory / _MIB for one in cells],
    )
    fit, inspect, memory = ([value for value in column if value is not None] for column in columns)
    digits = (1, 1, 0)
    return tuple(  # type: ignore[return-value]
        f"{np.mean(found):.{n}f}" if found else NONE for found, n in zip((fit, inspect, memory), digits, strict=True)
    )


def _of_data(cells: Sequence[Cell]) -> Table:
    has_pixels = any(one.figures and one.figures[name].value is not None for one in cells for name in PIXEL)
    names = {**IMAGE, **(PIXEL if has_pixels else {})}
    rows = tuple(_row(one, list(names)) for one in cells)
    columns = (
        "recipe",
        *names.values(),
        "stated rate",
        "repeats",
        "± over repeats",
        "fit, s",
        "inspect, ms",
        "memory, MiB",
    )
    note = f"{_INTERVAL} Recall and false alarms are those at the recipe's own threshold, which comes from held-out "
    note += "good images alone and promises the stated rate of false alarms."
    reasons = [] if has_pixels else [one.pixel_reason for one in cells if one.pixel_reason][:1]
    return Table(cells[0].data, columns, rows, " ".join([note, *(f"No figures of pixels: {one}." for one in reasons)]))


def _row(cell: Cell, names: Sequence[str]) -> tuple[str, ...]:
    if not cell.figures:
        return (cell.recipe, _state(cell), *[NONE] * (len(names) + 5))
    rate = NONE if cell.stated_rate is None else f"{cell.stated_rate:.3f}"
    n, spread = len(cell.by_repeat), cell.by_repeat
    over = f"{np.std(spread, ddof=1):.3f}" if n > 1 else NONE
    return (cell.recipe, *(shown(one, cell.figures[one]) for one in names), rate, str(n), over, *_costs([cell]))


def _of_pairs(pairs: Sequence[Pair]) -> Table:
    rows = tuple(map(_pair, sorted(pairs, key=lambda one: one.found.p_value)))
    columns = ("pair", "difference of ROC-AUC", "p", "p after Holm", "significant at 5 %", "data sets")
    note = (
        "Mean over the data sets that both have, on the same images, which are resampled (4,000 times; good and "
        "defective ones apart, images of one product together). It says what other images of these data sets would "
        "change, and nothing of other data sets or other fits."
    )
    return Table("Pairs of recipes", columns, rows, note)


def _pair(one: Pair) -> tuple[str, ...]:
    """The better one first."""
    found, names = one.found, (one.first, one.second)
    value, low, high = (
        (found.value, found.low, found.high) if found.value >= 0 else (-found.value, -found.high, -found.low)
    )
    pair = " − ".join(names if found.value >= 0 else names[::-1])
    is_significant = "yes" if one.corrected_p < _LEVEL else "no"
    p = (f"{found.p_value:.4f}", f"{one.corrected_p:.4f}")
    return (pair, f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", *p, is_significant, str(len(one.data)))


def _missing(cells: Sequence[Cell]) -> Table:
    rows = tuple(
        (one.recipe, one.data, str(f.seed), f.state, f"{f.seconds:.0f}", f.reason)
        for one in cells
        for f in one.failures
    )
    columns = ("recipe", "data", "repeat", "what", "after, s", "why")
    return Table("Not measured", columns, rows, "Given again, the comparison tries anew what has failed.")


def _state(cell: Cell) -> str:
    """What stands in place of a figure; empty where there is one."""
    return "" if cell.figures else " and ".join(sorted({one.state for one in cell.failures}))


def shown(name: str, figure: Figure) -> str:
    """With its interval; marked where it is a ROC-AUC below what guessing gives."""
    if figure.value is None:
        return NONE
    ends = "" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]"
    mark = f" {MARK}" if name.endswith("roc_auc") and figure.value < 0.5 else ""
    return f"{figure.value:.3f}{ends}{mark}"


def headline(verdict: Verdict, n_data: int) -> str:
    """Which recipe ranks best, and from which others that is told apart."""
    if not verdict.ranks:
        return "No recipe was measured on all data sets, so none are ranked."
    best, *others = verdict.ranks
    if not others:
        return f"Only {best} was measured on all data sets."
    apart = {
        name
        for one in verdict.pairs
        if one.corrected_p < _LEVEL and best in (one.first, one.second)
        for name in (one.first, one.second)
    } - {best}
    close = [name for name in others if name not in apart]
    told = f"not told apart from {', '.join(close)}" if close else "told apart from all others"
    rank = f"mean rank {verdict.ranks[best]:.2f} of {len(verdict.ranks)}"
    return f"{best} ranks best on {counted(n_data, 'data set')}, {rank}; on these images it is {told}."

"""The figures of an evaluation on one screen of 80 × 24: groups of them, two side by side. `--json` has everything."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from urushi.cli import _plant
from urushi.printable import counted, printable

_BLOCK_WIDTH, _GAP = 39, 2
_MAX_DEFECTS = 8
_ONLY_IN_JSON = (
    "partial_roc_auc_0.1",
    "error_rate",
    "macro_precision",
    "macro_recall",
    "best_iou",
    "iou_auc",
    "auspro_0.3",
    "pro",
)
_INSTEAD = {"auspro_0.05": "aupro_0.05"}  # shown in place of what then is only in JSON

_AUSPRO = "auspro_0.05"  # the one limit of which the table of defects has room
Block = tuple[str, list[str]]  # a title and its lines
_EMPTY: Block = ("", [])


def lines(figures: Mapping[str, Any]) -> list[str]:
    """What to print of the JSON of an evaluation: at most 23 lines of 80 columns, and one for each reason of a dash."""
    counts = ", ".join(f"{name} {n}" for name, n in figures["counts"].items())
    anomalous = counted(figures["n_anomalous"], "anomalous image")
    title = f"{figures['n_normal']} normal and {anomalous} ({counts}); 95 % intervals"
    return [title, *_side_by_side(list(_blocks(figures))), *_reasons(figures), *_plant.lines(figures["plant"])]


def _blocks(figures: Mapping[str, Any]) -> Iterator[Block]:
    from urushi.evaluation.image_metrics import RANKING

    image = figures["image"]
    yield "ranking", _rows({name: one for name, one in image.items() if name in RANKING})
    yield "at the threshold", _rows({name: one for name, one in image.items() if name not in RANKING})
    if figures["pixel"]:
        yield "pixel", _rows(figures["pixel"]["metrics"])
    if len(figures["per_defect"]) > 1:
        yield _defects(figures["per_defect"], _saturated(figures))
    if figures["reconstruction"]:
        yield "reconstruction of normal images", _rows(figures["reconstruction"])


def _rows(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    hidden = {*_ONLY_IN_JSON, *(other for name, other in _INSTEAD.items() if name in figures)}
    shown = {name: one for name, one in figures.items() if name not in hidden}
    width = max(map(len, shown))
    return [f"{name:{width}} {_number(one['value']):>6}  {_interval(one)}" for name, one in shown.items()]


def _saturated(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """AU-sPRO of each type of defect; empty where no saturation thresholds are known."""
    rows = (figures["pixel"] or {}).get("per_defect", [])
    return {row["defect"]: row[_AUSPRO]["value"] for row in rows if _AUSPRO in row}


def _defects(table: Sequence[Mapping[str, Any]], saturated: Mapping[str, float | None]) -> Block:
    """The types that are hardest to tell from normal images come first."""
    hardest = sorted(table, key=lambda row: (row["roc_auc"]["value"] is None, row["roc_auc"]["value"] or 0))
    n_shown = len(table) if len(table) <= _MAX_DEFECTS else _MAX_DEFECTS - 1
    rows = [_defect(row, saturated) for row in hardest[:n_shown]]
    more = [f"and {len(table) - n_shown} more, in --json"] if n_shown < len(table) else []
    head = f"{'defect':17}   n   roc  rec.  sPRO" if saturated else f"{'defect':17} images roc_auc recall"
    return head, [*rows, *more]


def _defect(row: Mapping[str, Any], saturated: Mapping[str, float | None]) -> str:
    roc_auc, recall = (_number(row[name]["value"]) for name in ("roc_auc", "recall"))
    if saturated:
        auspro = _number(saturated.get(row["defect"]))
        return f"{_fit(printable(row['defect']), 17)}{row['n']:4}{roc_auc:>6}{recall:>6}{auspro:>6}"
    return f"{_fit(printable(row['defect']), 17)} {row['n']:6} {roc_auc:>7} {recall:>6}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["low"], figure["high"]
    return "" if low is None or high is None else f"{_number(low)} … {_number(high)}"


def _side_by_side(blocks: list[Block]) -> Iterator[str]:
    for left, right in zip_longest(blocks[::2], blocks[1::2], fillvalue=_EMPTY):
        yield f"{_ruled(left[0])}{' ' * _GAP}{_ruled(right[0])}".rstrip()
        for one, other in zip_longest(left[1], right[1], fillvalue=""):
            yield f"{_fit(one)}{' ' * _GAP}{_fit(other)}".rstrip()


def _ruled(title: str) -> str:
    return title and f"{title} ".ljust(_BLOCK_WIDTH, "─")


def _fit(text: str, width: int = _BLOCK_WIDTH) -> str:
    """Cut or filled to so many columns; characters of East Asia take two."""
    from rich.cells import set_cell_size

    return set_cell_size(text, width)


def _reasons(figures: Mapping[str, Any]) -> Iterator[str]:
    """One line for each reason why figures are undefined, with their names."""
    groups = {"": figures["image"], "pixel ": (figures["pixel"] or {}).get("metrics", {})}
    groups["reconstruction "] = figures["reconstruction"] or {}
    names: dict[str, list[str]] = {}
    for group, metrics in groups.items():
        for name, one in metrics.items():
            if one["value"] is None:
                names.setdefault(one["reason"], []).append(f"{group}{name}")
    for reason, undefined in names.items():
        yield f"undefined: {reason} ({', '.join(undefined)})"

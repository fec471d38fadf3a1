"""The page of `studies.partial_diffusion`, from its rows alone."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    swept = [row for row in rows if "sweep" in row]
    parts = [
        ["# Partial diffusion", "", found["about"]],
        _section("Image ROC-AUC of the modes, at the source's t", _modes(rows)),
        _section("Held-out good images told from planted defects: ROC-AUC", _planted(rows)),
        _section("Image ROC-AUC by t", _by_t(swept)),
        _section("What the fit would choose", _chosen(rows)),
        _section("Change in / out", _changes(rows)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _section(title: str, lines: Iterable[Sequence[str]]) -> list[str]:
    """A heading and a table, its first line the columns; nothing without any other."""
    columns, *cells = lines
    drawn = [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *cells)]
    return [f"## {title}", "", *drawn] if cells else []


def _modes(rows: Sequence[Row]) -> Iterator[list[str]]:
    yield ["category", "learnt", "seed", "t", *(names := ("no_diffusion", "diffusion", "full")), "fit s"]
    for row in rows:
        of = {one["mode"]: f"{one['auc']:.2f}" for one in row["modes"]}
        cells = [of.get(name, "—") for name in names]
        yield [row["category"], row["learnt"], str(row["seed"]), str(row["t"]), *cells, f"{row['fit_seconds']:.0f}"]


def _planted(rows: Sequence[Row]) -> Iterator[list[str]]:
    learnt = list(dict.fromkeys(row["learnt"] for row in rows))
    yield ["category", "seed", *learnt]
    for category, seed in dict.fromkeys((row["category"], row["seed"]) for row in rows):
        of = {row["learnt"]: row["planted"] for row in rows if (row["category"], row["seed"]) == (category, seed)}
        yield [category, str(seed), *(f"{of[name]:.3f}" if name in of else "—" for name in learnt)]


def _by_t(rows: Sequence[Row]) -> Iterator[list[str]]:
    times = sorted({one["t"] for row in rows for one in row["sweep"]})
    yield ["category", "seed", "way", *map(str, times)]
    for row in rows:
        for name, of in _ways(row):
            yield [row["category"], str(row["seed"]), name, *(f"{of[t]:.2f}" if t in of else "—" for t in times)]


def _ways(row: Row) -> Iterator[tuple[str, dict[int, float]]]:
    """Name and ROC-AUC by t of all that was tried with these weights; the prior has no t."""
    for mode in dict.fromkeys(one["mode"] for one in row["sweep"]):
        yield mode, {one["t"]: one["auc"] for one in row["sweep"] if one["mode"] == mode}
    yield "one step", {one["t"]: one["auc"] for one in row["one_step"]}
    yield "prior", {1: row["prior"]["auc"]}


def _chosen(rows: Sequence[Row]) -> Iterator[list[str]]:
    yield ["category", "learnt", "seed", "t", "its ROC-AUC of planted defects"]
    for row in rows:
        if row["chosen"]:
            best = max(row["chosen"]["candidates"], key=lambda one: one["roc_auc"])
            yield [row["category"], row["learnt"], str(row["seed"]), str(best["steps"]), f"{best['roc_auc']:.2f}"]


def _changes(rows: Sequence[Row]) -> Iterator[list[str]]:
    yield ["category", "learnt", "seed", *(modes := ("no_diffusion", "diffusion", "full"))]
    for row in rows:
        of = {one["mode"]: f"{one['in_over_out']:.1f}" for one in row["modes"] if "in_over_out" in one}
        if of:
            yield [row["category"], row["learnt"], str(row["seed"]), *(of.get(mode, "—") for mode in modes)]

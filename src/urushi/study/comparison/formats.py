"""A comparison as JSON, CSV and LaTeX."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from urushi.printable import spreadsheet_cell
from urushi.study.comparison.figures import IMAGE, PIXEL, Cell
from urushi.study.comparison.verdict import Verdict
from urushi.study.plan import Study
from urushi.study.table import Table

FORMAT = 1
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "—": "---", "▼": r"$\downarrow$",
    "…": r"\ldots{}", "×": r"$\times$", "<": r"\textless{}", ">": r"\textgreater{}", "→": r"$\rightarrow$",
}  # fmt: skip


def as_json(study: Study, cells: Sequence[Cell], verdict: Verdict, notes: Sequence[str]) -> str:
    """Everything that was found, with numbers as they are."""
    tested = verdict.friedman
    content = {
        "format": FORMAT,
        "data": {one.name: one.folder for one in study.data},
        "recipes": {one.name: one.recipe for one in study.methods},
        "repeats": study.repeats,
        "cells": [_cell(one) for one in cells],
        "mean_ranks": dict(verdict.ranks),
        "left_out": list(verdict.left_out),
        "friedman": tested and asdict(tested),
        "friedman_reason": verdict.reason or None,
        "not_told_apart": [list(verdict.ranks)[first : last + 1] for first, last in verdict.cliques],
        "pairs": [{**asdict(one.found), **_pair(one)} for one in verdict.pairs],
        "notes": list(notes),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _pair(one: Any) -> dict[str, Any]:
    return {"first": one.first, "second": one.second, "corrected_p": one.corrected_p, "data": list(one.data)}


def _cell(one: Cell) -> dict[str, Any]:
    figures = {name: figure.to_json() for name, figure in one.figures.items()}
    return asdict(one) | {"figures": figures, "reason": one.reason or None}


def as_csv(cells: Sequence[Cell]) -> str:
    """A line for each recipe on each data set."""
    names = (*IMAGE, *PIXEL)
    costs = ("stated_rate", "fit_seconds", "inspection_seconds", "peak_memory")
    ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    written = io.StringIO()
    writer = csv.DictWriter(written, ["recipe", "data", "repeats", *ends, *costs, "not_measured", "reason"])
    writer.writeheader()
    for one in cells:
        row: dict[str, Any] = {"recipe": one.recipe, "data": one.data, "reason": one.reason}
        row = {name: spreadsheet_cell(text) for name, text in row.items()} | {"repeats": one.repeats}
        row |= {name: getattr(one, name) for name in costs} | {"not_measured": len(one.failures)}
        for name, figure in one.figures.items():
            row |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        writer.writerow(row)
    return written.getvalue()


def as_latex(tables: Sequence[Table]) -> str:
    """One table after the other, for the package booktabs."""
    return "\n\n".join(_latex(one) for one in tables) + "\n"


def _latex(table: Table) -> str:
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in table.rows]
    head = " & ".join(map(_escaped, table.columns)) + r" \\"
    body = "\n".join([r"\toprule", head, r"\midrule", *lines, r"\bottomrule"])
    begin = f"\\begin{{table}}\n\\centering\n\\caption{{{_escaped(table.title)}. {_escaped(table.note)}}}"
    return f"{begin}\n\\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}"


def _escaped(text: str) -> str:
    escapes: Mapping[int, str] = str.maketrans(_ESCAPES)
    return text.translate(escapes)

"""What was decided on good images and on each kind of defect: counts, and shares of the row (S2 fig. 6.12, lower)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, get_args

import numpy as np

from urushi.data.samples import GOOD
from urushi.errors import InputError
from urushi.evaluation.evaluation import UNNAMED
from urushi.inspection import Decision
from urushi.reporting.plots.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_IN = 1.15
_DARK = 0.7  # share from which the ground of a cell is too dark for black letters


class Decided(Protocol):
    """What the matrix needs to know of an image, as `evaluation.ScoredImage` has it."""

    @property
    def label(self) -> int:
        """0 = normal, 1 = anomalous."""

    @property
    def defect(self) -> str | None:
        """The kind of an anomalous image."""

    @property
    def decision(self) -> Decision:
        """What was decided."""


def count_decisions(images: Iterable[Decided], *, by_defect: bool = False) -> dict[str, Counter[Decision]]:
    """How often each decision was made, by true class or, more closely, by kind of defect; the normal class first."""
    counts: dict[str, Counter[Decision]] = {}
    for image in images:
        kind = GOOD if image.label == 0 else (image.defect or UNNAMED) if by_defect else "anomalous"
        counts.setdefault(kind, Counter())[image.decision] += 1
    return {kind: counts[kind] for kind in sorted(counts, key=lambda kind: (kind != GOOD, kind))}


def confusion_figure(counts: Mapping[str, Mapping[Decision, int]], *, title: str = "Decisions") -> "Figure":
    """A row for each kind, a column for each decision that is possible; darker is a larger share of the row.

    Raises InputError for no kinds, or one without images.
    """
    if not counts or not all(sum(row.values()) for row in counts.values()):
        raise InputError(f"there are no decisions to draw for {[*counts] or 'any kind'}; give kinds that have images")
    made = {decision for row in counts.values() for decision, n in row.items() if n}
    columns = [decision for decision in get_args(Decision) if decision in made | {"normal", "anomalous"}]
    table = np.array([[row.get(decision, 0) for decision in columns] for row in counts.values()])  # (kinds, decisions)
    figure = new_figure(2.2 + _CELL_IN * len(columns), 1.2 + _CELL_IN / 2 * len(table))
    axes = figure.subplots()
    axes.imshow(table / table.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(table)), list(counts))
    axes.set(title=title, xlabel="decision", ylabel="truth")
    _write_cells(axes, table)
    return figure


def _write_cells(axes: "Axes", table: np.ndarray) -> None:
    shares = table / table.sum(axis=1, keepdims=True)
    for (row, column), n in np.ndenumerate(table):
        colour = "white" if shares[row, column] > _DARK else "black"
        text = f"{n}\n{100 * shares[row, column]:.1f} %"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(table.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(table.shape[0] - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)

"""The hits and mistakes of which a detector was most certain: what to look at first (S2 fig. 6.10)."""

import heapq
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from urushi.errors import InputError
from urushi.inspection import Decision, Inspection
from urushi.reporting.plots._pictures import COLUMN_IN, colour_bar, name_row, row_height_in, show
from urushi.reporting.plots.style import SMALL_PT, new_figure
from urushi.reporting.plots.thumbnail import Thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Outcome = Literal["found", "missed", "false alarm", "passed"]  # tp, fn, fp, tn


def outcome(decision: Decision, label: int) -> Outcome | None:
    """What became of an image of label 0 (normal) or 1 (anomalous); unsure is neither hit nor mistake: None."""
    if decision == "anomalous":
        return "found" if label else "false alarm"
    return ("missed" if label else "passed") if decision == "normal" else None


class MostCertain:
    """Keeps the pictures of the `n` images of each outcome whose scores lie farthest from the threshold."""

    def __init__(self, n: int = 5) -> None:
        if n < 1:
            raise InputError(f"{n} images of each outcome were asked for; at least 1 can be kept")
        self.n, self._n_offered = n, 0
        self._heaps: dict[Outcome, list[tuple[float, int, Thumbnail]]] = {name: [] for name in get_args(Outcome)}

    def offer(self, inspection: Inspection, kind: str, label: int) -> None:
        """Keeps the pictures if no `n` of the same outcome so far were more certain; of equals, the earlier stays."""
        self._n_offered += 1
        found = outcome(inspection.decision, label)
        if found is None:
            return
        heap, rank = self._heaps[found], (abs(inspection.score - inspection.threshold), -self._n_offered)
        if len(heap) < self.n:
            heapq.heappush(heap, (*rank, Thumbnail.of(inspection, kind)))
        elif rank > heap[0][:2]:
            heapq.heapreplace(heap, (*rank, Thumbnail.of(inspection, kind)))

    def kept(self) -> dict[Outcome, list[Thumbnail]]:
        """By outcome, the most certain first."""
        return {name: [entry[2] for entry in sorted(heap, reverse=True)] for name, heap in self._heaps.items()}


def certain_figure(
    kept: Mapping[Outcome, Sequence[Thumbnail]], *, title: str = "Most certain hits and mistakes"
) -> "Figure":
    """For each outcome that occurred a row of images and one of their anomaly maps, the most certain on the left.

    Raises InputError if there are no images, or their map scales differ.
    """
    shown = {name: thumbnails for name, thumbnails in kept.items() if thumbnails}
    everything = [thumbnail for thumbnails in shown.values() for thumbnail in thumbnails]
    if not everything:
        raise InputError("there are no hits or mistakes to draw; inspect at least one labelled image")
    n_columns = max(map(len, shown.values()))
    heights_in = [row_height_in(thumbnails) for thumbnails in shown.values() for _ in range(2)]
    figure = new_figure(2.4 + COLUMN_IN * n_columns, 1.0 + sum(heights_in) + 0.55 * len(shown))
    grid = figure.subplots(2 * len(shown), n_columns, squeeze=False, height_ratios=heights_in)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (name, thumbnails) in zip(range(0, len(grid), 2), shown.items(), strict=True):
        _draw_row(grid[row], grid[row + 1], name, thumbnails)
    absent = "".join(f"; no {name if name == 'false alarm' else f'image {name}'}" for name in kept if name not in shown)
    figure.suptitle(f"{title}\nthreshold {everything[0].threshold:.4g}{absent}")
    colour_bar(figure, everything)
    return figure


def _draw_row(upper: Sequence["Axes"], lower: Sequence["Axes"], name: str, thumbnails: Sequence[Thumbnail]) -> None:
    for above, below, thumbnail in zip(upper, lower, thumbnails, strict=False):
        above.set_axis_on()
        below.set_axis_on()
        show(above, thumbnail.image)
        show(below, thumbnail.heat)
        above.set_title(f"{thumbnail.kind}\nscore {thumbnail.score:.4g}", fontsize=SMALL_PT)
    name_row(upper[0], name)

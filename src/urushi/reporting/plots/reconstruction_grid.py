"""What came, how the model rebuilt it, and where both differ, side by side (S2 figs. 6.6, 6.13, 6.25)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from urushi.data.samples import GOOD
from urushi.errors import InputError
from urushi.inspection import Inspection
from urushi.reporting.plots._pictures import COLUMN_IN, colour_bar, name_row, row_height_in, show
from urushi.reporting.plots.style import SMALL_PT, new_figure
from urushi.reporting.plots.thumbnail import Thumbnail

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 8


class FirstOfEachKind:
    """Keeps the pictures of the first images of each kind that come: a choice that no result has influenced."""

    def __init__(self, n_per_kind: int = 2, *, n_at_most: int = MOST_COLUMNS) -> None:
        self.n_per_kind, self.n_at_most = n_per_kind, n_at_most
        self._kept: dict[str, list[Thumbnail]] = {}

    def offer(self, inspection: Inspection, kind: str) -> None:
        """Keeps the pictures if they are among the first of their kind."""
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self.n_per_kind:
            kept.append(Thumbnail.of(inspection, kind))

    def kept(self) -> list[Thumbnail]:
        """Kind by kind, the good ones first; where there is no room for all, fewer of each rather than fewer kinds."""
        kinds = sorted(self._kept, key=lambda kind: (kind != GOOD, kind))
        places = [(turn, kind) for turn in range(self.n_per_kind) for kind in kinds if turn < len(self._kept[kind])]
        chosen = places[: self.n_at_most]
        return [self._kept[kind][turn] for turn, kind in sorted(chosen, key=lambda place: kinds.index(place[1]))]


def reconstruction_grid_figure(thumbnails: Sequence[Thumbnail], *, title: str = "Reconstructions") -> "Figure":
    """A column for each image: image, reconstruction where the method rebuilds pixels, anomaly map on the fixed scale.

    Raises InputError for no images, more than eight, or map scales that differ.
    """
    if not 1 <= len(thumbnails) <= MOST_COLUMNS:
        raise InputError(f"{len(thumbnails)} images came; a grid shows 1 to {MOST_COLUMNS}")
    has_reconstructions = any(thumbnail.reconstruction is not None for thumbnail in thumbnails)
    shown = "similar good image" if any(thumbnail.shows_similar for thumbnail in thumbnails) else "reconstruction"
    names = ("image", shown, "anomaly map") if has_reconstructions else ("image", "anomaly map")
    figure = new_figure(2.2 + COLUMN_IN * len(thumbnails), 1.2 + row_height_in(thumbnails) * len(names))
    grid = figure.subplots(len(names), len(thumbnails), squeeze=False)
    for column, thumbnail in zip(grid.T, thumbnails, strict=True):
        pictures = {"image": thumbnail.image, shown: thumbnail.reconstruction, "anomaly map": thumbnail.heat}
        for axes, name in zip(column, names, strict=True):
            picture = pictures[name]
            axes.set_axis_off() if picture is None else show(axes, picture)
        column[0].set_title(thumbnail.caption, fontsize=SMALL_PT)
    for axes, name in zip(grid[:, 0], names, strict=True):
        name_row(axes, name)
    figure.suptitle(title)
    colour_bar(figure, thumbnails)
    return figure

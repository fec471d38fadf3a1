"""Rows of pictures with a colour bar."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.errors import InputError
from urushi.inspection import MapScale
from urushi.reporting.heat_map import colour_stops
from urushi.reporting.plots.style import SMALL_PT
from urushi.reporting.plots.thumbnail import Thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLUMN_IN = 1.1
_SHAPES = 0.3, 2.0  # height over width of a cell, at least and at most


def row_height_in(thumbnails: Sequence[Thumbnail]) -> float:
    """Height in inches of a row that the pictures fit into at the width of a column, within reason."""
    tallest: float = max(thumbnail.image.shape[0] / thumbnail.image.shape[1] for thumbnail in thumbnails)
    return COLUMN_IN * min(max(tallest, _SHAPES[0]), _SHAPES[1])


def show(axes: "Axes", picture: np.ndarray) -> None:
    """One picture (h, w, 3) without axes round it."""
    axes.imshow(picture, interpolation="antialiased")
    axes.set_anchor("N")  # captions in one line, whatever the aspect ratios
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def name_row(axes: "Axes", text: str) -> None:
    """The name of a row, beside its first picture."""
    axes.set_ylabel(text, fontsize=SMALL_PT, rotation=0, ha="right", va="center")


def colour_bar(figure: "Figure", thumbnails: Sequence[Thumbnail]) -> None:
    """The one fixed scale of all maps; raises InputError if pictures of different detectors are mixed."""
    scales = {thumbnail.map_scale for thumbnail in thumbnails}
    if len(scales) != 1:
        raise InputError(f"pictures on {len(scales)} map scales came; draw one plot for each detector")
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list("heat", colour_stops())
    ramp = ScalarMappable(Normalize(0, 1), colours)
    # panchor: matplotlib would move the pictures away from where they are anchored.
    bar = figure.colorbar(ramp, ax=figure.axes, shrink=0.6, aspect=30, pad=0.02, panchor=False)
    bar.set_ticks([0, 0.5, 1], labels=_tick_labels(scales.pop()))
    bar.ax.tick_params(labelsize=SMALL_PT)
    bar.set_label("anomaly map, one scale for all", fontsize=SMALL_PT)


def _tick_labels(scale: MapScale) -> list[str]:
    return [f"{scale.low:.3g}", f"{scale.region_threshold:.3g}\nregions\nabove", f"{scale.high:.3g}"]

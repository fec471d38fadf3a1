"""Histograms of several groups above each other on one axis: however many there are, none hides another."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.errors import InputError
from urushi.reporting.histogram import Axis, Lane
from urushi.reporting.plots.style import OKABE_ITO, SMALL_PT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LANE_IN, _MARGIN_IN = 0.75, 1.3
_DASHES = ("-", "--")  # of the first and the second mark


def finite_groups(groups: Mapping[str, Sequence[float] | np.ndarray], what: str) -> dict[str, list[float]]:
    """Groups as lists of floats, empty ones left out; raises InputError if none is left or a value is not finite."""
    found = {name: [float(value) for value in values] for name, values in groups.items() if len(values)}
    if not found:
        raise InputError(f"there are no {what} to draw; give those of at least one image")
    if not np.isfinite(np.concatenate(list(found.values()))).all():
        raise InputError(f"some {what} are NaN or infinite; check the images and the model's output")
    return found


def lanes_figure(
    title: str, x_label: str, axis: Axis, lanes: Sequence[Lane], captions: Sequence[str], marks: Mapping[str, float]
) -> "Figure":
    """One row for each lane with its caption beside, bars as high as their counts; marks are lines through all."""
    figure = new_figure(6.4, _MARGIN_IN + _LANE_IN * len(lanes))
    rows = figure.subplots(len(lanes), sharex=True, squeeze=False)[:, 0]
    for number, (axes, lane, caption) in enumerate(zip(rows, lanes, captions, strict=True)):
        _draw_lane(axes, lane, caption, OKABE_ITO[min(number, 1)])
        for dashes, (name, value) in zip(_DASHES, marks.items(), strict=False):
            axes.axvline(axis.place(value), color="black", linestyle=dashes, linewidth=1, label=name)
    rows[0].set_title(title)
    if marks:
        rows[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), fontsize=SMALL_PT, ncols=2)
        rows[0].set_title(title, loc="left")
        rows[0].set_title("")
    _label_axis(rows[-1], axis, x_label)
    figure.supylabel("images", fontsize="medium")
    return figure


def _draw_lane(axes: "Axes", lane: Lane, caption: str, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    lefts, widths, counts = (np.array([getattr(bar, name) for bar in lane.bars]) for name in ("left", "width", "count"))
    axes.bar(lefts, counts, widths, align="edge", color=colour, edgecolor="white", linewidth=0.3)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.text(1.02, 0.5, caption, transform=axes.transAxes, va="center", fontsize=SMALL_PT)
    axes.spines[["top", "right"]].set_visible(False)


def _label_axis(axes: "Axes", axis: Axis, label: str) -> None:
    places, values = zip(*axis.ticks(), strict=True) if axis.ticks() else ((), ())
    axes.set_xticks(places, [f"{value:g}" for value in values])
    axes.set(xlim=(0, 100), xlabel=label + (", logarithmic" if axis.is_log else ""))

"""Precision over recall with the band between the quartiles of the repeats, and mean average precision."""

from typing import TYPE_CHECKING

import numpy as np

from urushi.evaluation.bands import precision_recall_band
from urushi.reporting.plots._bands import Curves, draw_bands
from urushi.reporting.plots.style import REFERENCE_COLOUR, drawing, few_enough

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def precision_recall_figure(curves: Curves, *, title: str = "Precision–recall") -> "Figure":
    """The median precision of each named curve over its repeats (scores, labels), and its quartiles as a band.

    A random score has the prevalence, the share of defects among the images, as its precision; it is drawn as a line,
    or as a grey band where repeats differ in it. Raises InputError as `roc_figure` does.
    """
    figure, axes = drawing(title, "recall (defects found)", "precision (alarms that are defects)")
    shares = [np.mean(np.asarray(labels) == 1) for repeats in few_enough(curves).values() for _, labels in repeats]
    if shares:
        low, high = float(min(shares)), float(max(shares))
        text = f"{low:.2f}" if high - low < 0.01 else f"{low:.2f} … {high:.2f}"
        axes.axhspan(low, high, facecolor=REFERENCE_COLOUR, alpha=0.2, zorder=0)
        middle = [(low + high) / 2] * 2
        axes.plot([0, 1], middle, color=REFERENCE_COLOUR, linestyle=(0, (1, 3)), label=f"chance: {text}", zorder=1)
    draw_bands(axes, curves, precision_recall_band, "average_precision")
    return figure

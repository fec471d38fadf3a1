"""ROC and precision–recall curves with the band between the quartiles of their repeats (S2 fig. 6.26)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.evaluation.bands import Band, Repeat, roc_band
from urushi.reporting.plots._bands import Curves, draw_bands
from urushi.reporting.plots.style import REFERENCE_COLOUR, drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from typing import TYPE_CHECKING

from urushi.evaluation.bands import precision_recall_band
from urushi.reporting.plots.style import few_enough

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def roc_figure(curves: Curves, *, title: str = "ROC") -> "Figure":
    """The median ROC of each named curve over its repeats (scores, labels), and its quartiles as a band.

    One repeat is drawn as it is. Raises InputError for no curve, more than seven, one without repeats, or a repeat that
    lacks a class or has a score that is not finite.
    """
    figure, axes = drawing(title, "false positive rate (good called anomalous)", "true positive rate (defects found)")
    axes.plot([0, 1], [0, 1], color=REFERENCE_COLOUR, linestyle=(0, (1, 3)), label="chance: 0.5", zorder=1)
    draw_bands(axes, curves, _band_from_origin, "roc_auc")
    return figure


def _band_from_origin(repeats: Sequence[Repeat]) -> Band:
    """Every ROC begins at (0, 0), with the threshold above all scores; a band begins at what is reached at rate 0."""
    band = roc_band(repeats, n_points=1001)
    x, mean, median, low, high = (np.append(0.0, y) for y in (band.x, band.mean, band.median, band.q25, band.q75))
    return Band(x, mean, median, low, high, band.n)


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

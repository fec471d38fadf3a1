"""The range test of the learning-rate finder: where learning begins, and where it explodes (S2 fig. 6.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.errors import InputError
from urushi.reporting.plots.style import OKABE_ITO, drawing, legend_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_rate_figure(
    rates: Sequence[float],
    losses: Sequence[float],
    chosen_rate: float,
    *,
    smoothed_steps: int = 11,
    title: str = "Learning-rate finder",
) -> "Figure":
    """Loss of each step over its rate on a logarithmic axis, its moving average, and the rate that was chosen.

    Raises InputError if rates and losses differ in number, are fewer than are smoothed over, or a rate is not positive.
    """
    x, y = np.asarray(rates, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < smoothed_steps or not (np.isfinite(x) & (x > 0)).all():
        raise InputError(
            f"{x.size} rates and {y.size} losses came; give as many of both, at least {smoothed_steps}, rates above 0"
        )
    figure, axes = drawing(title, "learning rate", "training loss")
    axes.set_xscale("log")
    axes.plot(x, y, ".", color="0.6", markersize=3, label="each step")
    smoothed = np.convolve(y, np.full(smoothed_steps, 1 / smoothed_steps), mode="valid")
    middle = smoothed_steps // 2
    label = f"mean of {smoothed_steps} steps"
    axes.plot(x[middle : middle + len(smoothed)], smoothed, color=OKABE_ITO[0], label=label)
    axes.axvline(chosen_rate, color=OKABE_ITO[1], linestyle="--", label=f"chosen: {chosen_rate:.3g}")
    axes.set_ylim(*_view(smoothed))
    legend_beside(axes)
    return figure


def _view(smoothed: np.ndarray) -> tuple[float, float]:
    """Low enough for the minimum; a loss that explodes would flatten all else, so it leaves through the top."""
    low, start = float(np.nanmin(smoothed)), float(smoothed[0])
    margin = (start - low) or abs(start) or 1.0
    return low - 0.2 * margin, start + 1.0 * margin

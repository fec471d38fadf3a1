"""A figure of merit over a parameter, mean ± standard error over repeats (S2 figs. 6.9, 6.11, 6.14)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from urushi.errors import InputError
from urushi.evaluation.resampling import mean_and_standard_error
from urushi.reporting.plots.style import drawing, few_enough, legend_beside, line_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parameter_figure(
    series: Mapping[str, Mapping[float, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    x_scale: Literal["linear", "log2"] = "linear",
    title: str = "",
) -> "Figure":
    """A line for each named series, which gives the repeats (n,) at each value of the parameter.

    Where there is one repeat, there is no error bar. Raises InputError for no series, more than seven, an empty one,
    repeats that are not finite, or a parameter that a logarithmic axis cannot show.
    """
    figure, axes = drawing(title, x_label, y_label)
    values = sorted({float(value) for points in few_enough(series).values() for value in points})
    if not values or not all(series.values()) or (x_scale == "log2" and values[0] <= 0):
        raise InputError(f"a series over {values} cannot be drawn; give each at least one value, above 0 if on log2")
    for number, (name, points) in enumerate(series.items()):
        x = sorted(points)
        found = [mean_and_standard_error(points[value]) for value in x]
        errors = [np.nan if point.standard_error is None else point.standard_error for point in found]
        means = [point.mean for point in found]
        axes.errorbar(x, means, errors, **line_style(number), label=name, capsize=3)
    if x_scale == "log2":
        axes.set_xscale("log", base=2)
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    legend_beside(axes)
    return figure

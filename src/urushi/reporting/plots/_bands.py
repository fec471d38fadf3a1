"""Curves over repeats: the median of each, and the band that the middle half of its repeats lies in."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from urushi.errors import InputError
from urushi.evaluation.bands import Band, Repeat
from urushi.evaluation.image_metrics import image_figures
from urushi.evaluation.resampling import mean_and_standard_error
from urushi.reporting.plots.style import few_enough, legend_beside, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[str, Sequence[Repeat]]  # the scores and labels of the repeats of each named curve
_MARKED_EVERY = 0.2  # of the length of a curve: a few markers tell curves apart in grey, too


def draw_bands(
    axes: "Axes",
    curves: Curves,
    band_of: Callable[[Sequence[Repeat]], Band],
    area: Literal["roc_auc", "average_precision"],
) -> None:
    """Each curve with the mean of its area in the legend; raises InputError as `few_enough` and `band_of` do."""
    short = {"roc_auc": "AUC", "average_precision": "AP"}[area]
    for number, (name, repeats) in enumerate(few_enough(curves).items()):
        band, style = band_of(repeats), line_style(number)
        text = mean_text([_area(repeat, area) for repeat in repeats])
        shift = number * _MARKED_EVERY / 7  # curves that lie upon each other show their markers side by side
        axes.plot(band.x, band.median, **style, label=f"{name}\n{short} {text}", markevery=(shift, _MARKED_EVERY))
        if band.n > 1:
            axes.fill_between(band.x, band.q25, band.q75, color=style["color"], alpha=0.2, linewidth=0)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    legend_beside(axes)


def mean_text(values: ArrayLike) -> str:
    """Mean ± standard error over repeats; of a single one, its value."""
    found = mean_and_standard_error(values)
    return f"{found.mean:.3f}" + ("" if found.standard_error is None else f" ± {found.standard_error:.3f}")


def _area(repeat: Repeat, name: str) -> float:
    scores, labels = repeat
    value = image_figures(scores, labels, np.asarray(labels) == 1, n_resamples=0)[name].value
    if value is None:
        raise InputError(f"labels {np.unique(np.asarray(labels)).tolist()} came; a curve needs both 0 and 1")
    return value

"""Bars in groups with error bars: the error rates of each class by score (S2 fig. 6.27)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from urushi.errors import InputError
from urushi.evaluation.resampling import mean_and_standard_error
from urushi.reporting.plots.style import HATCHES, OKABE_ITO, drawing, few_enough, legend_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUP_WIDTH = 0.8  # of the distance between groups


def grouped_bars_figure(
    groups: Mapping[str, Mapping[str, ArrayLike]], *, x_label: str, y_label: str, title: str = ""
) -> "Figure":
    """A group of bars for each name (a score), in it a bar for each series (a class): mean ± standard error of (n,).

    A series may be missing in a group; with one repeat there is no error bar. Raises InputError for no groups, no
    series, more than seven of them, or repeats that are not finite.
    """
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    if not names:
        raise InputError("there are no bars to draw; give at least one group with one series")
    figure, axes = drawing(title, x_label, y_label)
    axes.grid(visible=False, axis="x")
    width = _GROUP_WIDTH / len(few_enough(names))
    for number, name in enumerate(names):
        found = {i: mean_and_standard_error(bars[name]) for i, bars in enumerate(groups.values()) if name in bars}
        x = [group + (number - (len(names) - 1) / 2) * width for group in found]
        look: dict[str, Any] = {
            "color": OKABE_ITO[number],
            "hatch": HATCHES[number],
            "edgecolor": "white",
            "label": name,
            "zorder": 2,
        }
        axes.bar(x, [bar.mean for bar in found.values()], width, linewidth=0.5, **look)
        sure = [(at, bar) for at, bar in zip(x, found.values(), strict=True) if bar.standard_error is not None]
        heights, errors = [bar.mean for _, bar in sure], [bar.standard_error or 0.0 for _, bar in sure]
        axes.errorbar([at for at, _ in sure], heights, errors, fmt="none", ecolor="black", capsize=3)
    longest = max(map(len, groups))
    axes.set_xticks(range(len(groups)), list(groups), **_turned(longest * len(groups)))
    legend_beside(axes)
    return figure


def _turned(n_letters: int) -> dict[str, Any]:
    """Names that have no room beside one another stand aslant."""
    return {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if n_letters > 50 else {}

"""Small pictures of images that belong together, a row for each group."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.errors import InputError
from urushi.printable import counted
from urushi.reporting.plots._pictures import COLUMN_IN, name_row, show
from urushi.reporting.plots.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME_IN = 1.3


def grouped_pictures_figure(
    groups: Mapping[str, Sequence[np.ndarray]], *, n_shown: int = 8, title: str = ""
) -> "Figure":
    """The first pictures (h, w, 3) of each group beside its name and number; raises InputError without groups."""
    if not groups:
        raise InputError("there are no groups of pictures to show")
    n_columns = min(n_shown, max(map(len, groups.values())))
    width, height = _NAME_IN + COLUMN_IN * n_columns, (COLUMN_IN + 0.1) * len(groups) + 0.3
    figure = new_figure(width, height)
    for cells, (name, pictures) in zip(
        figure.subplots(len(groups), n_columns, squeeze=False), groups.items(), strict=True
    ):
        for axes, picture in zip(cells, pictures, strict=False):
            show(axes, picture)
        for axes in cells[len(pictures) :]:
            axes.set_axis_off()
        name_row(cells[0], f"{name}\n{counted(len(pictures), 'image')}")
    figure.suptitle(title)
    return figure

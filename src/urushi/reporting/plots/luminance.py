"""How bright good images and each kind of defect are: a difference may be all that a score has seen (S2 fig. 6.16)."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from urushi.printable import counted
from urushi.reporting.histogram import lane, score_axis
from urushi.reporting.plots._lanes import finite_groups, lanes_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


N_BINS = 30


def luminance_figure(
    luminances: Mapping[str, Sequence[float] | np.ndarray], *, title: str = "Luminance by kind of image"
) -> "Figure":
    """A histogram of mean luminances (n,), in shares of full scale, for each kind of images, the normal one first.

    Raises InputError without luminances, or if one is not finite.
    """
    groups = finite_groups(luminances, "luminances")
    axis = score_axis([value for values in groups.values() for value in values], (), nan)
    assert axis is not None
    edges = np.linspace(0, 100, N_BINS + 1)  # per cent of the axis
    lanes = [lane(name, values, axis, edges) for name, values in groups.items()]
    captions = [
        f"{name}\n{counted(len(values), 'image')}\nmean {np.mean(values):.3f}" for name, values in groups.items()
    ]
    return lanes_figure(title, "mean luminance (share of full scale)", axis, lanes, captions, {})

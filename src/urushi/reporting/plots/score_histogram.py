"""How the scores of good images and of each kind of defect lie to the threshold (S2 figs. 6.7, 6.12)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from urushi.printable import counted
from urushi.reporting.histogram import bin_edges, lane, score_axis
from urushi.reporting.plots._lanes import finite_groups, lanes_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_histogram_figure(
    scores: Mapping[str, Sequence[float] | np.ndarray],
    threshold: float,
    *,
    warn_threshold: float | None = None,
    title: str = "Scores",
) -> "Figure":
    """A histogram of scores (n,) for each kind of images, the normal one first, and the threshold through all.

    No bar stands on both sides of the threshold. Raises InputError without scores, or if one is not finite.
    """
    groups = finite_groups(scores, "scores")
    normal, *others = groups.values()
    warn = [] if warn_threshold is None else [warn_threshold]
    axis = score_axis([*normal, *warn], [value for values in others for value in values], threshold)
    assert axis is not None
    edges = bin_edges(axis, threshold)
    lanes = [lane(name, values, axis, edges) for name, values in groups.items()]
    captions = [_caption(name, np.array(values), threshold) for name, values in groups.items()]
    marks = {f"threshold {threshold:.4g}": threshold} if np.isfinite(threshold) else {}
    marks |= {} if warn_threshold is None else {f"warns above {warn_threshold:.4g}": warn_threshold}
    return lanes_figure(title, "score", axis, lanes, captions, marks)


def _caption(name: str, scores: np.ndarray, threshold: float) -> str:
    return f"{name}\n{counted(len(scores), 'image')}\n{int((scores > threshold).sum())} above"

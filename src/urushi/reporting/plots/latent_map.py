"""A map of the latent space on which alike images lie near each other, with some of them shown (S2 fig. 6.4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from urushi.data.samples import GOOD
from urushi.errors import InputError
from urushi.reporting.plots.latent_histograms import checked_latents
from urushi.reporting.plots.style import MARKERS, OKABE_ITO, drawing, legend_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PICTURE_PX = 34  # long side of a thumbnail at 100 dots per inch
_EDGE: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}  # seen on dark pictures, too
_MOST_TICKS = 6  # along x, where their numbers stand side by side
_APART = 0.1  # least distance between thumbnails along either axis, in shares of its range


def latent_map_figure(
    latents: ArrayLike,
    kinds: Sequence[str],
    *,
    pictures: Sequence[np.ndarray | None] | None = None,
    n_pictures: int = 40,
    title: str = "Latent map",
) -> "Figure":
    """Images as points by kind; latents (n, J) as they are for J = 2, else on their first two principal components.

    `pictures` are one (h, w, 3) uint8 for each image, or None where it was not kept; those that don't overlap are
    shown. Raises InputError if latents, kinds and pictures do not belong together.
    """
    z = checked_latents(latents)
    shown = [None] * len(z) if pictures is None else pictures
    if not len(z) == len(kinds) == len(shown):
        raise InputError(
            f"{len(z)} latents, {len(kinds)} kinds and {len(shown)} pictures came; give one of each for every image"
        )
    points, (x_label, y_label) = plane(z)
    figure, axes = drawing(title, x_label, y_label, height_in=4.8)
    for number, kind in enumerate(sorted(set(kinds), key=lambda kind: (kind != GOOD, kind))):
        own = points[np.array([one == kind for one in kinds])]
        # With more than seven kinds the colours come again, each with another marker.
        marker = MARKERS[(number + number // len(OKABE_ITO)) % len(MARKERS)]
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        axes.plot(*own.T, linestyle="", marker=marker, color=colour, label=kind, markersize=6, **_EDGE)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=_MOST_TICKS)
    axes.margins(0.08, 0.14)  # room for pictures
    kept = [(point, picture) for point, picture in zip(points, shown, strict=True) if picture is not None]
    for row in apart(np.array([point for point, _ in kept]), n_pictures):
        _place(axes, *kept[row])
    legend_beside(axes)
    return figure


def plane(latents: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Latents (n, J) as points (n, 2), and what both axes are; one dimension alone lies on a line."""
    n_dimensions = latents.shape[1]
    if n_dimensions <= 2:
        points = np.column_stack([latents, np.zeros((len(latents), 2 - n_dimensions))])
        return points, ("z1", "z2" if n_dimensions == 2 else "")
    left, sizes, _ = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    points = np.zeros((len(latents), 2))
    n_found = min(2, len(sizes))
    points[:, :n_found] = left[:, :n_found] * sizes[:n_found]
    shares = (*(sizes**2 / (np.square(sizes).sum() or 1)), 0.0)
    x_label, y_label = (f"principal component {i + 1} ({100 * shares[i]:.0f} % of variance)" for i in range(2))
    return points, (x_label, y_label)


def apart(points: np.ndarray, n: int) -> list[int]:
    """At most n rows of points (m, 2) that lie apart from one another, in their order."""
    if not len(points):
        return []
    scaled = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-12)
    chosen: list[int] = []
    for row, point in enumerate(scaled):
        if len(chosen) < n and (not chosen or np.abs(scaled[chosen] - point).max(axis=1).min() > _APART):
            chosen.append(row)
    return chosen


def _place(axes: "Axes", point: np.ndarray, picture: np.ndarray) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(picture, zoom=_PICTURE_PX / max(picture.shape[:2]) * 72 / 100, dpi_cor=True)
    above = (0.0, 4 + _PICTURE_PX * 0.36)  # the point that it belongs to stays to be seen, like all others
    frame = {"edgecolor": "0.6", "linewidth": 0.5}
    place = (float(point[0]), float(point[1]))
    axes.add_artist(
        AnnotationBbox(image, place, xybox=above, boxcoords="offset points", pad=0.1, bboxprops=frame, zorder=1)
    )

"""An image and its derivatives beside those of networks that represent it (S1 fig. 2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from urushi.reporting.plots._pictures import name_row
from urushi.reporting.plots.style import SMALL_PT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL_IN = 2.0
_COLUMNS = {"image": "", "length of the gradient": " per px", "Laplacian": " per px²"}  # with their units


@dataclass(frozen=True)
class Derivatives:
    """An image (H, W), its gradient (2, H, W) per px, and its Laplacian (H, W) per px²."""

    image: np.ndarray
    gradient: np.ndarray
    laplacian: np.ndarray

    @classmethod
    def of_pixels(cls, image: np.ndarray) -> "Derivatives":
        """By differences between neighbours."""
        rows, columns = np.gradient(image)
        return cls(image, np.stack([rows, columns]), cv2.Laplacian(image, cv2.CV_32F))


def implicit_representation_figure(true: Derivatives, represented: Mapping[str, Derivatives]) -> "Figure":
    """A row for the image and one for each network, by its caption; each column is on one grey scale, the image's."""
    rows = {"pixels": true, **represented}
    shape = true.image.shape[0] / true.image.shape[1]
    figure = new_figure(1.2 + 3 * _CELL_IN, 0.5 + _CELL_IN * min(max(shape, 0.3), 2.0) * len(rows))
    grid = figure.subplots(len(rows), 3, squeeze=False)
    limits = _limits(true)
    for axes, (caption, derivatives) in zip(grid, rows.items(), strict=True):
        for cell, picture, (low, high) in zip(axes, _pictures(derivatives), limits, strict=True):
            cell.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="antialiased")
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
        name_row(axes[0], caption)
    for cell, (name, unit), (low, high) in zip(grid[0], _COLUMNS.items(), limits, strict=True):
        cell.set_title(f"{name}\n{low:.2g} … {high:.2g}{unit}".replace("-", "−"), fontsize=SMALL_PT)
    return figure


def _pictures(derivatives: Derivatives) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    length = np.linalg.norm(derivatives.gradient, axis=0)
    return derivatives.image, length, derivatives.laplacian


def _limits(true: Derivatives) -> list[tuple[float, float]]:
    """Of the image [0, 1]; of its derivatives what 99 % of the pixels do not pass, and zero in the middle or black."""
    _, length, laplacian = (float(np.quantile(np.abs(picture), 0.99)) or 1.0 for picture in _pictures(true))
    return [(0.0, 1.0), (0.0, length), (-laplacian, laplacian)]

"""What lies in the beam: layers of product, defects that take their place, and what they let through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from urushi.xray.materials import material
from urushi.xray.phantoms.grid import Box, Grid
from urushi.xray.phantoms.scanner import Beam
from urushi.xray.phantoms.shapes import Shape, Spans, clipped, length

VISIBLE_CHANGE = (
    0.005  # share of the open beam's signal by which a pixel of the mask differs at least: about one of 255
)
FINE = 2  # samples per pixel and direction for the product, whose shading is smooth
FINE_DEFECT = 4  # and at least where a defect lies
_ASIDE_MM = -1e5  # where films lie: out of the defects' reach; for the beam it does not matter where


@dataclass(frozen=True)
class Layer:
    """What fills the beam between two surfaces (H, W) in mm, where top > bottom; `density` is relative."""

    material: str
    bottom_mm: np.ndarray
    top_mm: np.ndarray
    density: np.ndarray | float = 1.0


@dataclass(frozen=True)
class Defect:
    """One defect: shapes of one material, which take the product's place; of air it is a hole. Has one size or more."""

    kind: str
    material: str
    sizes_mm: Mapping[str, float]
    shapes: tuple[Shape, ...]

    def box_mm(self) -> Box:
        """The box around all shapes."""
        left, top, right, bottom = zip(*(shape.box_mm() for shape in self.shapes), strict=True)
        return min(left), min(top), max(right), max(bottom)

    def spans(self, grid: Grid) -> Spans:
        """The stretches of each ray in any of the shapes, (n, H, W)."""
        bottoms, tops = zip(*(shape.spans(grid.x_mm, grid.y_mm) for shape in self.shapes), strict=True)
        return np.concatenate(bottoms), np.concatenate(tops)


def film(name: str, thickness_mm: np.ndarray) -> Layer:
    """A layer that no defect displaces, such as a wrapper."""
    return Layer(name, np.full_like(thickness_mm, _ASIDE_MM), _ASIDE_MM + thickness_mm)


def thicknesses_mm(layers: Sequence[Layer], defects: Sequence[Defect], grid: Grid) -> dict[str, np.ndarray]:
    """How much of each material each ray passes, (H, W); air counts as nothing, since the open beam passes it too.

    Where defects lie in one another, the later one takes the place of the earlier.
    """
    found: dict[str, np.ndarray] = {}
    spans = [defect.spans(grid) for defect in defects]
    for layer in layers:
        left = np.clip(layer.top_mm - layer.bottom_mm, 0, None)
        if spans:
            left = left - length(clipped(_joined(spans), layer.bottom_mm, layer.top_mm))
        found[layer.material] = found.get(layer.material, 0) + np.clip(left, 0, None) * layer.density
    for n, defect in enumerate(defects):
        if defect.material != "air":
            own = length(_joined(spans[n:])) - (length(_joined(spans[n + 1 :])) if spans[n + 1 :] else 0)
            found[defect.material] = found.get(defect.material, 0) + np.clip(own, 0, None)
    return found


def averaged_signal(layers: Sequence[Layer], defects: Sequence[Defect], grid: Grid, n: int, beam: Beam) -> np.ndarray:
    """The signal of each n × n samples of a grid, averaged, (2, H, W): mean and variance, as `Beam.signal` has them."""
    through = [(material(name), mm / 10) for name, mm in thicknesses_mm(layers, defects, grid).items()]
    fine = np.broadcast_to(beam.signal(through), (2, grid.n_rows, grid.n_columns))
    return np.asarray(fine.reshape(2, grid.n_rows // n, n, grid.n_columns // n, n).mean(axis=(2, 4)))


def _joined(spans: Sequence[Spans]) -> Spans:
    bottoms, tops = zip(*spans, strict=True)
    return np.concatenate(bottoms), np.concatenate(tops)

"""One simulated radiograph: a scene, drawn and kept as plain numbers, and its image and masks, computed from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from urushi import catalogue
from urushi.xray.phantoms.detector import Pattern, quantised
from urushi.xray.phantoms.grid import Box, Grid
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.scanner import Beam, Scanner
from urushi.xray.phantoms.scene import FINE, FINE_DEFECT, VISIBLE_CHANGE, Defect, averaged_signal

ROOM = "urushi.xray.phantoms.products"


@dataclass(frozen=True)
class Scene:
    """A product with its defects, and the seed of the noise in its image."""

    product: Product
    defects: tuple[Defect, ...]
    noise_seed: int


@dataclass(frozen=True)
class Radiograph:
    """The image (H, W), uint8 or uint16, and for each defect of the scene its mask (H, W), bool."""

    image: np.ndarray = field(repr=False)
    masks: tuple[np.ndarray, ...] = field(repr=False)


def find_product(name: str) -> type[Product]:
    """The product of a name; raises RecipeError with the nearest one if there is none."""
    return catalogue.load(ROOM, name, Product)


def draw(
    product: type[Product], kinds: Sequence[str], rng: np.random.Generator, *, max_angle_degrees: float | None = None
) -> Scene:
    """Draw a phantom with defects of these kinds, turned by up to an angle (None: as the product usually lies)."""
    angle = product.max_angle_degrees if max_angle_degrees is None else max_angle_degrees
    phantom = product.draw(rng).laid(rng, angle)
    defects = tuple(phantom.draw_defect(kind, rng) for kind in kinds)
    return Scene(phantom, defects, int(rng.integers(2**32)))


def render(scene: Scene, pattern: Pattern, *, scanner: Scanner | None = None, bits: int = 8) -> Radiograph:
    """The image of a scene and its masks; all randomness is the scene's own and the detector's pattern.

    `scanner` is one of the same pixels as the product's own (None). A mask holds the pixels whose sharp, noise-free
    signal the defect changes by VISIBLE_CHANGE of the open beam; where none does, the one that it changes most.
    """
    product = scene.product
    scanner = scanner or product.scanner
    beam, detector = scanner.beam(), scanner.detector
    clean, changes = signals(scene, beam)
    rng = np.random.default_rng(scene.noise_seed)
    levels = detector.expose(detector.unsharp(clean, product.grid()), beam.n_photons, pattern, rng)
    return Radiograph(quantised(levels, bits), tuple(map(_visible, changes)))


def signals(scene: Scene, beam: Beam) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sharp and noise-free: the signal of the whole scene, (2, H, W), and what each defect changes in its mean, (H, W).

    The signal is that of `Beam.signal`: mean and variance, of an open beam of mean 1.
    """
    product, grid = scene.product, scene.product.grid()
    clean = np.empty((2, grid.n_rows, grid.n_columns))
    clean[:] = np.reshape(beam.open_signal, (2, 1, 1))
    pixels, fine = _finer_part(grid, product.box_mm(), FINE)
    clean[:, *pixels] = averaged_signal(product.layers(fine), (), fine, FINE, beam)
    changes = [np.zeros_like(clean) for _ in scene.defects]
    for n, (defect, change) in enumerate(zip(scene.defects, changes, strict=True)):
        n_samples = _samples_for(defect, grid)
        pixels, fine = _finer_part(grid, defect.box_mm(), n_samples)
        layers = product.layers(fine)
        without, with_it = (
            averaged_signal(layers, scene.defects[:n_present], fine, n_samples, beam) for n_present in (n, n + 1)
        )
        change[:, *pixels] = with_it - without
    return np.clip(clean + sum(changes), 0, None), [change[0] for change in changes]


def _finer_part(grid: Grid, box_mm: Box, n: int) -> tuple[tuple[slice, slice], Grid]:
    pixels, part = grid.window(box_mm)
    return pixels, part.finer(n)


def _samples_for(defect: Defect, grid: Grid) -> int:
    """Per pixel and direction: as many as it takes that even the smallest object meets a few."""
    widest_mm = max(grid.pitch_x_mm, grid.pitch_y_mm)
    return max(FINE_DEFECT, math.ceil(3 * widest_mm / min(defect.sizes_mm.values())))


def _visible(change: np.ndarray) -> np.ndarray:
    size = np.abs(change)
    return np.asarray((size > 0) & (size >= min(VISIBLE_CHANGE, size.max())))

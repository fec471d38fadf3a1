"""One simulated radiograph: a scene, drawn and kept as plain numbers, and its image and masks, computed from it."""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from urushi import catalogue
from urushi.xray.phantoms.grid import Box, Grid
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.scanner import Pattern, quantised
from urushi.xray.phantoms.scene import FINE, FINE_DEFECT, VISIBLE_CHANGE, Defect, averaged_transmission
from urushi.xray.spectrum import Spectrum, tube_spectrum

ROOM = "urushi.xray.phantoms.products"
_BIN_KEV = 2.0  # half the time of 1 keV, and the transmission differs by less than a grey level


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
    product: type[Product], defect: str | None, rng: np.random.Generator, *, max_angle_degrees: float | None = None
) -> Scene:
    """Draw a phantom with at most one defect, turned by up to an angle (None: as the product usually lies)."""
    angle = product.max_angle_degrees if max_angle_degrees is None else max_angle_degrees
    phantom = product.draw(rng, angle)
    defects = () if defect is None else (phantom.draw_defect(defect, rng),)
    return Scene(phantom, defects, int(rng.integers(2**32)))


def render(scene: Scene, pattern: Pattern, *, voltage_kv: float | None = None, bits: int = 8) -> Radiograph:
    """The image of a scene and its masks; all randomness is the scene's own and the scanner's pattern.

    A mask holds the pixels whose sharp, noise-free transmission the defect changes by VISIBLE_CHANGE of the open beam;
    where none does, the one that it changes most.
    """
    product = scene.product
    grid, spectrum = product.grid(), spectrum_of(type(product), voltage_kv)
    clean, changes = transmissions(scene, spectrum)
    rng = np.random.default_rng(scene.noise_seed)
    levels = product.scanner.expose(product.scanner.unsharp(clean, grid), pattern, rng)
    return Radiograph(quantised(levels, bits), tuple(map(_visible, changes)))


def transmissions(scene: Scene, spectrum: Spectrum) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sharp and noise-free, (H, W): the transmission of the whole scene, and by how much each defect changes it."""
    product, grid = scene.product, scene.product.grid()
    clean = np.ones((grid.n_rows, grid.n_columns))
    pixels, fine = _finer_part(grid, product.box_mm(), FINE)
    clean[pixels] = averaged_transmission(product.layers(fine), (), fine, FINE, spectrum)
    changes = [np.zeros_like(clean) for _ in scene.defects]
    for n, (defect, change) in enumerate(zip(scene.defects, changes, strict=True)):
        n_samples = _samples_for(defect, grid)
        pixels, fine = _finer_part(grid, defect.box_mm(), n_samples)
        layers = product.layers(fine)
        without, with_it = (
            averaged_transmission(layers, scene.defects[:n_present], fine, n_samples, spectrum)
            for n_present in (n, n + 1)
        )
        change[pixels] = with_it - without
    return np.clip(clean + sum(changes), 0, 1), changes


@lru_cache(maxsize=8)
def spectrum_of(product: type[Product], voltage_kv: float | None = None) -> Spectrum:
    """The spectrum that a product is scanned with, at its own voltage or another; raises InputError out of range."""
    return tube_spectrum(
        product.voltage_kv if voltage_kv is None else voltage_kv, filters_mm=product.filters_mm, bin_kev=_BIN_KEV
    )


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

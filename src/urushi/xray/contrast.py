"""The contrast planner: which tube voltage shows an object in a product best, and how small it may be (S2 §1.2.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from urushi.catalogue.entries import nearest
from urushi.errors import InputError
from urushi.xray.attenuation import Floats
from urushi.xray.materials import Material
from urushi.xray.spectrum import Spectrum, energy_moment, tube_spectrum
from urushi.xray.tube import Exposure, Tube

ROSE_CNR = 5.0  # what an eye needs to find an object whose place it does not know (Rose 1948)
REFERENCE_KV = 80.0  # of the source's potato scanner (S2 §5.2.1)
_SMALLEST_MM = 1e-3
_N_SIZES = 1000  # on a logarithmic scale: one step is about 1 %

Fixed = Literal["photons", "power", "exposure"]


@dataclass(frozen=True)
class VoltageRow:
    """What one voltage shows: transmissions and contrast of a pixel in [0, 1], and the contrast-to-noise ratio.

    The object's pixel and contrast count the part of the pixel that the object fills; a negative contrast is brighter.
    smallest_mm is the size at which the ratio reaches 5 (Rose criterion), None if none in the product does.
    """

    voltage_kv: float
    current_ma: float | None  # None where only the number of photons was given
    mean_kev: float
    n_photons_per_pixel: float
    transmission_product: float
    transmission_object: float
    contrast: float
    cnr: float
    smallest_mm: float | None


@dataclass(frozen=True)
class Plan:
    """The rows of `plan` in the order of the voltages, with what they were computed for."""

    product: Material
    thickness_mm: float
    object: Material
    size_mm: float
    tube: Tube
    pixel_mm: float
    fixed: Fixed
    exposure: Exposure | None
    scintillator: tuple[Material, float] | None  # in mm
    rows: tuple[VoltageRow, ...]

    @property
    def best(self) -> VoltageRow:
        """The voltage to use: where the object stands out most from photon noise, which limits detection."""
        return max(self.rows, key=lambda row: row.cnr)

    @property
    def strongest(self) -> VoltageRow:
        """The voltage with the strongest contrast, dark or bright; without regard to noise."""
        return max(self.rows, key=lambda row: abs(row.contrast))


def plan(
    product: Material,
    thickness_mm: float,
    object: Material,
    size_mm: float,
    voltages_kv: Sequence[float],
    tube: Tube | None = None,
    n_photons_per_pixel: float = 10_000,
    pixel_mm: float = 0.8,
    *,
    fixed: Fixed = "power",
    exposure: Exposure | None = None,
    scintillator: tuple[Material, float] | None = None,
) -> Plan:
    """What each voltage shows of a cube of the object, embedded in the product, on an integrating detector.

    The ratio is that of all pixels under the object to the photon noise of the product alone; no other noise is
    counted. The photons of the open beam are those of an exposure, or without one n_photons_per_pixel: the same for
    every spectrum (fixed="photons"), or those at 80 kV behind 1 mm aluminium while tube power and exposure time stay
    (fixed="power"), so that lower voltages and thicker filters give fewer. A scintillator, its material and mm, detects
    only what it absorbs; without one all photons count.
    Raises InputError for sizes and voltages that cannot be, or a product that lets nothing through.
    """
    _check_sizes(thickness_mm, size_mm, n_photons_per_pixel, pixel_mm)
    if fixed not in get_args(Fixed):
        raise InputError(f"fixed={fixed!r} came{nearest(fixed, get_args(Fixed))}")
    if (fixed == "exposure") != (exposure is not None):
        raise InputError("an exposure says how many photons there are: give one, and fixed='exposure', or neither")
    if not len(voltages_kv):
        raise InputError("no voltage came; give at least one in kV")
    tube = tube or Tube()
    scene = _Scene(product, thickness_mm, object, pixel_mm)

    def row(voltage_kv: float) -> VoltageRow:
        spectrum = _detected(tube, voltage_kv, scintillator)
        n_photons = _n_photons(n_photons_per_pixel, voltage_kv, spectrum, pixel_mm, fixed, exposure)
        current_ma = None if exposure is None else exposure.current_at(voltage_kv)
        return _row(scene, voltage_kv, current_ma, spectrum, n_photons, size_mm)

    rows = tuple(map(row, sorted(set(voltages_kv))))
    return Plan(product, thickness_mm, object, size_mm, tube, pixel_mm, fixed, exposure, scintillator, rows)


def _detected(tube: Tube, voltage_kv: float, scintillator: tuple[Material, float] | None) -> Spectrum:
    spectrum = tube.spectrum(voltage_kv)
    if scintillator is None:
        return spectrum
    absorber, thickness_mm = scintillator
    return spectrum.absorbed_in([(absorber, thickness_mm / 10)])


def _n_photons(
    asked: float, voltage_kv: float, spectrum: Spectrum, pixel_mm: float, fixed: Fixed, exposure: Exposure | None
) -> float:
    if exposure is not None:
        return exposure.n_photons(voltage_kv, spectrum, pixel_mm)
    if fixed == "photons":
        return asked
    return asked * _per_power(voltage_kv, spectrum) / _per_power(REFERENCE_KV, tube_spectrum(REFERENCE_KV))


@dataclass(frozen=True)
class _Scene:
    product: Material
    thickness_mm: float
    object: Material
    pixel_mm: float

    def transmissions(self, spectrum: Spectrum, sizes_mm: Floats) -> tuple[float, Floats]:
        """Of the product alone, and with objects of these sizes, averaged over a pixel."""
        product_cm, object_cm = (self.thickness_mm - sizes_mm) / 10, sizes_mm / 10
        alone = energy_moment(spectrum, [(self.product, self.thickness_mm / 10)], 1)
        through = energy_moment(spectrum, [(self.product, product_cm), (self.object, object_cm)], 1)
        filled = np.minimum(1, (sizes_mm / self.pixel_mm) ** 2)
        return float(alone) / spectrum.mean_kev, (alone + filled * (through - alone)) / spectrum.mean_kev

    def cnr(self, spectrum: Spectrum, n_photons: float, sizes_mm: Floats) -> Floats:
        """Of the signal summed over the pixels that the object covers; one smaller than a pixel has the whole pixel."""
        alone, with_object = self.transmissions(spectrum, sizes_mm)
        variance = energy_moment(spectrum, [(self.product, self.thickness_mm / 10)], 2) / spectrum.mean_kev**2
        n_pixels = np.maximum(1, (sizes_mm / self.pixel_mm) ** 2)
        ratio: Floats = np.abs(alone - with_object) * np.sqrt(n_photons * n_pixels / variance)
        return ratio


def _row(
    scene: _Scene, voltage_kv: float, current_ma: float | None, spectrum: Spectrum, n_photons: float, size_mm: float
) -> VoltageRow:
    spectrum.behind([(scene.product, scene.thickness_mm / 10)])  # raises if nothing gets through
    alone, with_object = scene.transmissions(spectrum, np.array(size_mm))
    return VoltageRow(
        voltage_kv=float(voltage_kv),
        current_ma=current_ma,
        mean_kev=spectrum.mean_kev,
        n_photons_per_pixel=float(n_photons),
        transmission_product=alone,
        transmission_object=float(with_object),
        contrast=float(1 - with_object / alone),
        cnr=float(scene.cnr(spectrum, n_photons, np.array(size_mm))),
        smallest_mm=_smallest_mm(scene, spectrum, n_photons),
    )


def _smallest_mm(scene: _Scene, spectrum: Spectrum, n_photons: float) -> float | None:
    sizes_mm = np.geomspace(_SMALLEST_MM, scene.thickness_mm, _N_SIZES)
    visible = sizes_mm[scene.cnr(spectrum, n_photons, sizes_mm) >= ROSE_CNR]
    return float(visible[0]) if visible.size else None


def _per_power(voltage_kv: float, spectrum: Spectrum) -> float:
    """Photons per cm² of each mA·s·kV, that is of each joule the tube takes up."""
    return (spectrum.photons_per_mas_cm2 or 0.0) / voltage_kv


def _check_sizes(thickness_mm: float, size_mm: float, n_photons: float, pixel_mm: float) -> None:
    values = {"product's thickness": thickness_mm, "object's size": size_mm, "pixel": pixel_mm, "photons": n_photons}
    for name, value in values.items():
        if not 0 < value < np.inf:
            raise InputError(f"{name}: {value:g} came; give a number above 0")
    if size_mm > thickness_mm:
        raise InputError(f"the object of {size_mm:g} mm is thicker than the product, {thickness_mm:g} mm; swap them?")

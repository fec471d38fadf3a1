"""Spectra of X-ray tubes and what layers of material leave of them: polychromatic Lambert-Beer (S2 §1.2.5, §1.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from urushi.catalogue.entries import nearest
from urushi.catalogue.extras import require
from urushi.errors import InputError
from urushi.xray.attenuation import Floats, linear_attenuation
from urushi.xray.materials import Material, material

Weighting = Literal["counting", "integrating"]
Layers = Sequence[tuple[Material, ArrayLike]]

ALUMINIUM_1_MM: Mapping[str, float] = {"Al": 1.0}
VOLTAGE_RANGE_KV = dict.fromkeys(("Ag", "Au", "Cr", "Cu", "Mo", "Rh"), (10.0, 50.0)) | {"W": (10.0, 500.0)}
POWERS: Mapping[Weighting, int] = {"counting": 0, "integrating": 1}
"""The power of its energy with which a detector weights a photon."""
_CHUNK = 2**20  # floats per block of pixels and energies: fits the processor's cache, whatever the image's size


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Photons (E,), a share of 1 per bin, at ascending bin centres (E,) in keV; InputError if they are not so.

    photons_per_mas_cm2: how many there are of each mAs, on 1 cm² at 1 m from the tube; None if no tube is known.
    """

    energies_kev: Floats
    photons: Floats
    photons_per_mas_cm2: float | None = None

    def __post_init__(self) -> None:
        if self.energies_kev.ndim != 1 or self.energies_kev.shape != self.photons.shape:
            raise InputError(f"{self.photons.shape} photons at {self.energies_kev.shape} energies; give one per energy")
        if not (np.diff(self.energies_kev) > 0).all():
            raise InputError("the energies of a spectrum must ascend")
        if not ((self.photons >= 0).all() and math.isclose(self.photons.sum(), 1, abs_tol=1e-6)):
            raise InputError(f"the photons sum to {self.photons.sum():g}; they must be shares of 1, none negative")

    @property
    def mean_kev(self) -> float:
        """The mean energy of the photons in keV."""
        return float(self.energies_kev @ self.photons)

    def behind(self, layers: Sequence[tuple[Material, float]]) -> "Spectrum":
        """The hardened spectrum behind layers in cm; InputError if they let nothing through."""
        left = self.photons * np.exp(-sum(linear_attenuation(m, self.energies_kev) * cm for m, cm in layers))
        if not left.sum() > 0:
            raise InputError(f"no photon gets through {', '.join(f'{cm:g} cm of {m.name}' for m, cm in layers)}")
        return self._reduced_to(left)

    def absorbed_in(self, layers: Sequence[tuple[Material, float]]) -> "Spectrum":
        """The spectrum of the photons that stay in layers in cm, such as a scintillator; InputError if none does."""
        through = np.exp(-sum((linear_attenuation(m, self.energies_kev) * cm for m, cm in layers), np.zeros(1)))
        absorbed = self.photons * (1 - through)
        if not absorbed.sum() > 0:
            raise InputError(f"no photon stays in {', '.join(f'{cm:g} cm of {m.name}' for m, cm in layers)}")
        return self._reduced_to(absorbed)

    def _reduced_to(self, photons: Floats) -> "Spectrum":
        per_mas = None if self.photons_per_mas_cm2 is None else float(self.photons_per_mas_cm2 * photons.sum())
        return Spectrum(self.energies_kev, photons / photons.sum(), per_mas)


def tube_spectrum(
    voltage_kv: float,
    *,
    target_angle_degrees: float = 20.0,
    target: str = "W",
    filters_mm: Mapping[str, float] = ALUMINIUM_1_MM,
    bin_kev: float = 1.0,
) -> Spectrum:
    """The spectrum of a tube by SpekPy, behind filters by material (S2 fig. 1.11: tungsten, 1 mm aluminium).

    The angle is between target and beam, above 0 to 90 degrees; 20 is usual for industrial tubes, S2 writes 55.
    Raises InputError for what SpekPy cannot do: tungsten from 10 to 500 kV, other targets from 10 to 50 kV.
    """
    _check_tube(voltage_kv, target_angle_degrees, target, bin_kev)
    _check_filters(filters_mm)
    bare = _bare_spectrum(voltage_kv, target_angle_degrees, target, bin_kev)
    return bare.behind([(material(name), mm / 10) for name, mm in filters_mm.items()])


def monoenergetic(energy_kev: float) -> Spectrum:
    """All photons of one energy."""
    return Spectrum(np.array([energy_kev], np.float64), np.ones(1))


def transmission(spectrum: Spectrum, layers: Layers, *, detector: Weighting = "integrating") -> Floats:
    """The share of the open beam's signal that is left behind layers, in the shape their thicknesses broadcast to.

    Each layer is a material and its thickness in cm, a number or a map (H, W); a scintillator integrates, that is
    weights each photon by its energy (S2 §1.3.2). Polychromatic S2 eq. 1.3. Raises InputError for a negative thickness.
    """
    if detector not in POWERS:
        raise InputError(f"no detector is called {detector!r}{nearest(detector, tuple(POWERS))}")
    power = POWERS[detector]
    found: Floats = energy_moment(spectrum, layers, power) / energy_moment(spectrum, [], power)
    return found


def energy_moment(spectrum: Spectrum, layers: Layers, power: int) -> Floats:
    """Σ S(E)·E^power·exp(−Σ μ(E)·t) in keV^power, in the shape the thicknesses t in cm broadcast to.

    Per photon of the open beam: power 0 is the mean count behind the layers, 1 the mean of an integrating detector's
    signal and 2 its variance (compound Poisson). Raises InputError for a negative thickness.
    """
    return np.asarray(energy_moments(spectrum, layers, (power,))[0])


def energy_moments(spectrum: Spectrum, layers: Layers, powers: Sequence[int]) -> Floats:
    """`energy_moment` for each of several powers, (n_powers, …), from one look at the layers; raises as it does."""
    shape = np.broadcast_shapes(*(np.shape(cm) for _, cm in layers))
    thicknesses_cm = np.array([np.broadcast_to(cm, shape) for _, cm in layers], np.float64)
    if not (thicknesses_cm >= 0).all():
        raise InputError("a layer has a negative or undefined thickness; thicknesses are 0 cm or more")
    pixels = thicknesses_cm.reshape(len(layers), math.prod(shape)).T
    weights = spectrum.photons[:, None] * spectrum.energies_kev[:, None] ** np.array(powers)
    attenuation = np.array([linear_attenuation(m, spectrum.energies_kev) for m, _ in layers])
    attenuation = attenuation.reshape(len(layers), len(weights))  # also without layers
    n_rows = max(1, _CHUNK // len(weights))
    left = np.empty((len(pixels), len(powers)))
    for start in range(0, len(pixels), n_rows):
        exponents = -pixels[start : start + n_rows] @ attenuation
        left[start : start + n_rows] = np.exp(exponents, out=exponents) @ weights
    return left.T.reshape(len(powers), *shape)


@lru_cache(maxsize=64)
def _bare_spectrum(voltage_kv: float, angle_degrees: float, target: str, bin_kev: float) -> Spectrum:
    require("spekpy", "xray")
    import spekpy

    tube = spekpy.Spek(kvp=voltage_kv, th=angle_degrees, targ=target, dk=bin_kev, z=100.0, mas=1.0)
    energies_kev, per_kev = tube.get_spectrum()
    per_bin = np.asarray(per_kev * bin_kev, np.float64)
    return Spectrum(np.asarray(energies_kev, np.float64), per_bin / per_bin.sum(), float(per_bin.sum()))


def _check_tube(voltage_kv: float, angle_degrees: float, target: str, bin_kev: float) -> None:
    if target not in VOLTAGE_RANGE_KV:
        raise InputError(f"no tube has a target of {target!r}{nearest(target, tuple(sorted(VOLTAGE_RANGE_KV)))}")
    low, high = VOLTAGE_RANGE_KV[target]
    if not low <= voltage_kv <= high:
        raise InputError(f"{voltage_kv:g} kV came; a tube with target {target} can have {low:g} to {high:g} kV")
    if not 0 < angle_degrees <= 90:
        raise InputError(f"a target angle of {angle_degrees:g} degrees came; give one above 0 and up to 90")
    if not 0 < bin_kev <= voltage_kv / 10:
        raise InputError(f"bins of {bin_kev:g} keV came; at {voltage_kv:g} kV give above 0 to {voltage_kv / 10:g} keV")


def _check_filters(filters_mm: Mapping[str, float]) -> None:
    for name, thickness_mm in filters_mm.items():
        if not 0 <= thickness_mm < math.inf:
            raise InputError(f"the filter {name} is {thickness_mm:g} mm thick; give 0 mm or more")

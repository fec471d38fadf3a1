"""A scanner: a tube at a voltage, its exposure, and the detector behind it."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from urushi.xray.materials import material
from urushi.xray.phantoms.detector import Detector
from urushi.xray.spectrum import POWERS, Layers, Spectrum, Weighting, energy_moments
from urushi.xray.tube import Exposure, Tube

BIN_KEV = 2.0  # half the time of 1 keV, and the transmission differs by less than a grey level


@dataclass(frozen=True, eq=False)
class Beam:
    """What a pixel detects of the open beam: the spectrum of the photons that it absorbs, and how many they are."""

    spectrum: Spectrum = field(repr=False)
    n_photons: float
    weighting: Weighting = "integrating"

    def signal(self, layers: Layers) -> np.ndarray:
        """Behind layers in cm, (2, …): the mean signal, and `n_photons` times its variance, of an open beam of mean 1.

        The signal is a compound Poisson sum, of each photon its energy (integrating) or 1 (counting); no other noise.
        """
        power = POWERS[self.weighting]
        (open_mean,) = energy_moments(self.spectrum, [], (power,))
        mean, variance = energy_moments(self.spectrum, layers, (power, 2 * power))
        return np.stack([mean / open_mean, variance / open_mean**2])

    @property
    def open_signal(self) -> tuple[float, float]:
        """Mean and `n_photons` times the variance of the open beam: 1, and 1 or more."""
        mean, variance = self.signal([])
        return float(mean), float(variance)


@dataclass(frozen=True)
class Scanner:
    """How a product is scanned."""

    voltage_kv: float
    tube: Tube
    exposure: Exposure
    detector: Detector

    def beam(self) -> Beam:
        """The beam on a pixel; raises InputError for what the tube cannot do."""
        return _beam(self)


@lru_cache(maxsize=16)
def _beam(scanner: Scanner) -> Beam:
    detector = scanner.detector
    spectrum = scanner.tube.spectrum(scanner.voltage_kv, bin_kev=BIN_KEV)
    if detector.scintillator is not None:
        spectrum = spectrum.absorbed_in([(material(detector.scintillator), detector.scintillator_mm / 10)])
    n_photons = scanner.exposure.n_photons(scanner.voltage_kv, spectrum, detector.pitch_mm)
    return Beam(spectrum, n_photons, detector.weighting)

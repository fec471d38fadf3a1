"""An X-ray tube: which photons it gives (target, anode, filters), and how many (current, power, time, distance)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from urushi.errors import InputError
from urushi.xray.spectrum import ALUMINIUM_1_MM, Spectrum, tube_spectrum

_PER_METRE_MM = 1000.0


@dataclass(frozen=True)
class Tube:
    """What decides about the shape of a spectrum beside the voltage; S2 fig. 1.11 has an anode angle of 55 degrees."""

    target: str = "W"
    target_angle_degrees: float = 20.0
    filters_mm: Mapping[str, float] = field(default_factory=lambda: ALUMINIUM_1_MM, hash=False)

    def spectrum(self, voltage_kv: float, *, bin_kev: float = 1.0) -> Spectrum:
        """The spectrum at a voltage; raises InputError for what no tube can do."""
        return tube_spectrum(
            voltage_kv,
            target_angle_degrees=self.target_angle_degrees,
            target=self.target,
            filters_mm=self.filters_mm,
            bin_kev=bin_kev,
        )


@dataclass(frozen=True)
class Exposure:
    """How long and how strongly a pixel is exposed: the current is the given one, or less where the power limits it.

    distance_mm is that of focal spot and detector. Raises InputError for values that cannot be, or neither limit.
    """

    time_ms: float
    distance_mm: float
    current_ma: float | None = None
    max_power_w: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < np.inf:
                raise InputError(f"exposure: {name} is {value:g}; give a number above 0")
        if self.current_ma is None and self.max_power_w is None:
            raise InputError("an exposure needs the tube's current in mA, or its greatest power in W")

    def current_at(self, voltage_kv: float) -> float:
        """The current in mA at a voltage, as far as the power allows (W = kV · mA); InputError for 0 kV or less."""
        if not voltage_kv > 0:
            raise InputError(f"{voltage_kv:g} kV came; a tube has a voltage above 0")
        by_power_ma = np.inf if self.max_power_w is None else self.max_power_w / voltage_kv
        return float(min(by_power_ma, np.inf if self.current_ma is None else self.current_ma))

    def n_photons(self, voltage_kv: float, spectrum: Spectrum, pixel_mm: float) -> float:
        """Photons of the open beam on a square pixel of this edge; raises InputError for a spectrum of no tube."""
        if spectrum.photons_per_mas_cm2 is None:
            raise InputError("this spectrum is of no tube: nobody knows how many photons it has for each mAs")
        charge_mas = self.current_at(voltage_kv) * self.time_ms / 1000
        nearer = (_PER_METRE_MM / self.distance_mm) ** 2  # photons are given at 1 m
        return spectrum.photons_per_mas_cm2 * charge_mas * (pixel_mm / 10) ** 2 * nearer

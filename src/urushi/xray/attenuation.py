"""How strongly a material attenuates photons of each energy (S2 §1.2.5), from xraylib's tables."""

import numpy as np
from numpy.typing import NDArray

from urushi.catalogue.extras import require
from urushi.errors import InputError
from urushi.xray.materials import Material

ENERGY_RANGE_KEV = (0.1, 800.0)  # of xraylib's tables
PROCESSES = {"photoelectric": "CS_Photo", "compton": "CS_Compt", "rayleigh": "CS_Rayl"}  # pairs need 1022 keV

Floats = NDArray[np.float64]


def mass_attenuation(material: Material, energies_kev: Floats) -> Floats:
    """The total with coherent scattering in cm²/g, in the shape of the energies (S2 eqs. 1.4 and 1.6).

    Raises InputError if an energy is outside 0.1 to 800 keV or an element has no table.
    """
    return _weighted_sum("CS_Total", material, energies_kev)


def partial_mass_attenuation(material: Material, energies_kev: Floats) -> dict[str, Floats]:
    """The parts in cm²/g by process: photoelectric, compton, rayleigh (S2 eq. 1.4, fig. 1.8); raises as the total."""
    return {process: _weighted_sum(table, material, energies_kev) for process, table in PROCESSES.items()}


def linear_attenuation(material: Material, energies_kev: Floats) -> Floats:
    """The total in 1/cm, in the shape of the energies (S2 eq. 1.5); raises as `mass_attenuation`."""
    return mass_attenuation(material, energies_kev) * material.density_g_cm3


def _weighted_sum(table: str, material: Material, energies_kev: Floats) -> Floats:
    require("xraylib", "xray")
    import xraylib_np

    energies = _checked(np.asarray(energies_kev, np.float64))
    numbers = np.array([_atomic_number(symbol) for symbol in material.mass_fractions])
    by_element: Floats = getattr(xraylib_np, table)(numbers, energies.ravel())
    fractions = np.array([*material.mass_fractions.values()])
    return (fractions @ by_element).reshape(energies.shape)


def _checked(energies_kev: Floats) -> Floats:
    low, high = ENERGY_RANGE_KEV
    outside = energies_kev[~((energies_kev >= low) & (energies_kev <= high))]
    if outside.size:  # xraylib itself would answer 0
        raise InputError(f"there is no table for {outside.flat[0]:g} keV; energies go from {low:g} to {high:g} keV")
    return energies_kev


def _atomic_number(symbol: str) -> int:
    import xraylib

    try:
        number = int(xraylib.SymbolToAtomicNumber(symbol))
        xraylib.CS_Total(number, 10.0)
    except ValueError:
        raise InputError(f"there is no table for the element {symbol!r}; there are hydrogen to californium") from None
    return number

"""Materials as density and weight fractions of elements: foods, foreign objects, and any chemical formula.

Foods have no fixed composition and S2 §1.4 knows none either: what is assumed stands beside each of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from urushi.catalogue.entries import nearest
from urushi.catalogue.extras import require
from urushi.errors import InputError

DENSITY_LIMIT_G_CM3 = 25.0  # osmium, the densest element, has 22.6; more is a density in other units


@dataclass(frozen=True)
class Material:
    """A density in g/cm³ and the weight fraction of each element by its symbol, with sum 1; InputError if not so."""

    name: str
    density_g_cm3: float
    mass_fractions: Mapping[str, float] = field(hash=False)

    def __post_init__(self) -> None:
        if not 0 < self.density_g_cm3 <= DENSITY_LIMIT_G_CM3:
            raise InputError(
                f"{self.name} has a density of {self.density_g_cm3:g}; "
                f"give it in g/cm³, above 0 and at most {DENSITY_LIMIT_G_CM3:g}"
            )
        _check_fractions(self.name, self.mass_fractions)


MATERIALS: Mapping[str, Material]
"""All materials with a name; built when first asked for, because the formulas need the optional package xraylib."""


def __getattr__(name: str) -> Mapping[str, Material]:
    if name == "MATERIALS":
        return _named()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def material(name_or_formula: str) -> Material:
    """A material by its name, an element by its symbol ("Cu"), or a formula with a density in g/cm³ ("Al2O3@3.95").

    Raises InputError with the nearest name if it is none of these.
    """
    if name_or_formula in _named():
        return _named()[name_or_formula]
    formula, at, density = name_or_formula.partition("@")
    try:
        fractions = _parsed(formula)
        density_g_cm3 = _number(density, name_or_formula) if at else _element_density(formula, fractions)
    except ValueError:  # of xraylib
        raise InputError(
            f"no material is called {name_or_formula!r}{nearest(name_or_formula, tuple(_named()))}"
            ' A chemical formula needs a density in g/cm³, such as "Al2O3@3.95".'
        ) from None
    return Material(name_or_formula, density_g_cm3, fractions)


def mixture(name: str, density_g_cm3: float, parts: Mapping[Material | str, float]) -> Material:
    """Parts mixed by weight fraction (S2 eq. 1.6), each a Material or what `material` understands.

    Raises InputError if the fractions are not positive or do not sum to 1.
    """
    _check_fractions(name, parts)
    fractions: dict[str, float] = {}
    for part, weight in parts.items():
        found = part if isinstance(part, Material) else material(part)
        for symbol, fraction in found.mass_fractions.items():
            fractions[symbol] = fractions.get(symbol, 0.0) + weight * fraction
    return Material(name, density_g_cm3, fractions)


@cache
def _named() -> Mapping[str, Material]:
    require("xraylib", "xray")
    water = Material("water", 1.0, _parsed("H2O"))
    starch = Material("starch", 1.5, _parsed("C6H10O5"))
    # The elements of an average protein; also part of the foods below.
    protein = Material("protein", 1.35, {"C": 0.53, "H": 0.07, "N": 0.16, "O": 0.23, "S": 0.01})
    sugar = Material("sugar", 1.59, _parsed("C12H22O11"))
    fat = Material("fat", 0.9, _parsed("C57H110O6"))
    iron, zinc, lead, antimony = (_element(symbol) for symbol in ("Fe", "Zn", "Pb", "Sb"))
    foods = [
        water,
        starch,
        protein,
        sugar,
        fat,
        # S2 §1.4: water, 15 to 25 % starch and little protein. The exact shares and the density are assumed.
        mixture("potato", 1.08, {water: 0.79, starch: 0.19, protein: 0.02}),
        # Assumed: what a label of milk chocolate says, cocoa solids and milk powder counted by what they consist of.
        mixture("milk_chocolate", 1.3, {sugar: 0.55, fat: 0.30, protein: 0.08, starch: 0.06, water: 0.01}),
        # Assumed: wheat flour, sugar and fat, half of the volume air.
        mixture("biscuit", 0.6, {starch: 0.55, sugar: 0.20, fat: 0.15, protein: 0.07, water: 0.03}),
    ]
    objects = [
        *(_element(symbol, name) for symbol, name in ELEMENTS.items()),
        # S2 table 5.1 gives the main part only; the rest is assumed.
        mixture("steel", 7.8, {iron: 0.95, _element("Cr"): 0.05}),  # whatever it is, its neighbours absorb alike
        mixture("lead_alloy", 10.9, {lead: 0.94, antimony: 0.06}),  # antimony hardens lead balls
        mixture("staple", 7.6, {iron: 0.63, zinc: 0.37}),
    ]
    return {m.name: m for m in [*foods, *objects, *(_standard(n, name) for n, name in STANDARD.items())]}


ELEMENTS = {
    "H": "hydrogen",
    "C": "carbon",
    "N": "nitrogen",
    "O": "oxygen",
    "Al": "aluminium",
    "Fe": "iron",
    "Zn": "zinc",
    "W": "tungsten",
    "Pb": "lead",
}
STANDARD = {  # as NIST defines them, with their densities
    "Air, Dry (near sea level)": "air",
    "Bone, Cortical (ICRP)": "bone",
    "Glass, Plate": "glass",
    "Polypropylene": "polypropylene",
}


def _standard(nist_name: str, name: str) -> Material:
    import xraylib

    found = xraylib.GetCompoundDataNISTByName(nist_name)
    return Material(name, found["density"], _by_symbol(found))


def _element(symbol: str, name: str | None = None) -> Material:
    return Material(name or symbol, _element_density(symbol, {symbol: 1.0}), {symbol: 1.0})


def _element_density(formula: str, fractions: Mapping[str, float]) -> float:
    import xraylib

    if len(fractions) > 1:
        raise InputError(f'{formula!r} has no density; add it in g/cm³ after an @, such as "Al2O3@3.95"')
    return float(xraylib.ElementDensity(xraylib.SymbolToAtomicNumber(*fractions)))


def _parsed(formula: str) -> dict[str, float]:
    import xraylib

    return _by_symbol(xraylib.CompoundParser(formula))


def _by_symbol(compound: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    import xraylib

    shares = zip(compound["Elements"], compound["massFractions"], strict=True)
    total = sum(compound["massFractions"])  # NIST's tables round to six digits
    return {str(xraylib.AtomicNumberToSymbol(z)): share / total for z, share in shares}


def _check_fractions(name: str, fractions: Mapping[Material | str, float] | Mapping[str, float]) -> None:
    if not all(share > 0 for share in fractions.values()) or not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise InputError(
            f"the weight fractions of {name} are {list(fractions.values())}; they must be positive and sum to 1"
        )


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f'{whole!r} has no density after the @; write it in g/cm³, such as "Al2O3@3.95"') from None

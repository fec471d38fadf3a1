"""What all images of a simulated data set share, checked before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from urushi.catalogue import options
from urushi.catalogue.entries import nearest
from urushi.errors import InputError
from urushi.xray.phantoms.detector import Detector
from urushi.xray.phantoms.radiograph import find_product
from urushi.xray.phantoms.scanner import Scanner
from urushi.xray.tube import Exposure

COMBINED = "combined"  # the folder of items with defects of several kinds, as MVTec AD calls it
_FIXED = ("n_columns", "pitch_mm", "is_line")  # what the products' own sizes belong to
DETECTOR_OPTIONS = tuple(one.name for one in fields(Detector) if one.name not in _FIXED)


@dataclass(frozen=True)
class Settings:
    """What all images of a data set share; None, or {}, is as the product is usually scanned."""

    product: str
    seed: int = 0
    voltage_kv: float | None = None
    current_ma: float | None = None
    exposure_ms: float | None = None
    filters_mm: Mapping[str, float] | None = None
    bits: int = 8
    max_angle_degrees: float | None = None
    n_scans: int = 1  # of each item
    max_defects: int = 1  # of a defective item; with more, some items have defects of several kinds
    detector: Mapping[str, Any] = field(default_factory=dict)  # what differs: values of DETECTOR_OPTIONS by name

    def __post_init__(self) -> None:
        find_product(self.product)
        if self.seed < 0:
            raise InputError(f"the seed is {self.seed}; give 0 or more.")
        if self.bits not in (8, 16):
            raise InputError(f"images of {self.bits} bits cannot be written; give 8 or 16.")
        if self.max_angle_degrees is not None and not 0 <= self.max_angle_degrees <= 180:
            raise InputError(f"the angle is {self.max_angle_degrees:g} degrees; give 0 to 180, to either side.")
        for name, n in (("scans of each item", self.n_scans), ("defects of an item", self.max_defects)):
            if not 1 <= n <= 100:
                raise InputError(f"{n} {name} came; give 1 to 100.")
        self.scanner()

    def kinds(self) -> tuple[str, ...]:
        """The folders of defective images."""
        known = find_product(self.product).defects
        return known if self.max_defects == 1 else (*known, COMBINED)

    def scanner(self) -> Scanner:
        """The product's scanner with what these settings change; raises InputError for what cannot be."""
        usual = find_product(self.product).scanner
        return Scanner(
            voltage_kv=usual.voltage_kv if self.voltage_kv is None else self.voltage_kv,
            tube=usual.tube if self.filters_mm is None else replace(usual.tube, filters_mm=dict(self.filters_mm)),
            exposure=self._exposure(usual),
            detector=_changed(usual.detector, self.detector),
        )

    def _exposure(self, usual: Scanner) -> Exposure:
        asked = {"time_ms": self.exposure_ms, "current_ma": self.current_ma}
        exposure = replace(usual.exposure, **{name: value for name, value in asked.items() if value is not None})
        voltage_kv = usual.voltage_kv if self.voltage_kv is None else self.voltage_kv
        allowed_ma = exposure.current_at(voltage_kv)
        if self.current_ma is not None and allowed_ma < self.current_ma:
            raise InputError(
                f"{self.current_ma:g} mA at {voltage_kv:g} kV are {self.current_ma * voltage_kv:g} W, and this "
                f"scanner's tube has {exposure.max_power_w:g} W; give at most {allowed_ma:.3g} mA, or less voltage."
            )
        return exposure


def _changed(usual: Detector, changes: Mapping[str, Any]) -> Detector:
    for name in changes:
        if name not in DETECTOR_OPTIONS:
            raise InputError(f"no detector has {name!r} to change{nearest(name, DETECTOR_OPTIONS)}")
    if not changes:
        return usual
    size = {name: getattr(usual, name) for name in _FIXED}
    checked = options.check(Detector, size | dict(changes), "detector")
    values: dict[str, Any] = {name: tuple(v) if isinstance(v := checked[name], list) else v for name in changes}
    return replace(usual, **values)

"""What belongs to one way of computing a detector's graph."""

from dataclasses import dataclass
from typing import Any

from urushi.calibration._held_out import HeldOut
from urushi.calibration.base import Threshold


@dataclass(frozen=True)
class Calibration:
    """Held-out scores, and the threshold that a rule has chosen from them."""

    held_out: HeldOut
    threshold: Threshold

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return {"held_out": self.held_out.to_json(), "threshold": self.threshold.to_json()}

    @classmethod
    def from_json(cls, data: Any) -> "Calibration":
        """The inverse of `to_json`; raises CalibrationError, KeyError or TypeError if something is missing or wrong."""
        held_out = HeldOut.from_json(data["held_out"])
        return cls(held_out, held_out.qualified(Threshold.from_json(data["threshold"])))

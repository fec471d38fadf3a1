"""In what ways a detector can be run: its weights and exported graphs, and what decides where each of them is run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from urushi.calibration import Calibration, HeldOut, Threshold
from urushi.calibration.conformal import Conformal
from urushi.printable import Summarised
from urushi.runtime.backend import Backend
from urushi.runtime.choice import GRAPHS

WEIGHTS = "weights.safetensors"  # a member of the detector file
FLOAT = "float"
_KIND = itemgetter("runtime", "precision")


@dataclass(frozen=True, repr=False)
class Ways(Summarised):
    """Graphs, a calibration for each kind of numbers they compute with, and what has passed the parity gate where."""

    graphs: Mapping[str, bytes]  # weights and exported graphs, by their members of the detector file
    calibrations: Mapping[str, Calibration]  # that of float, `FLOAT`, and those of int8 by their engines
    exports: tuple[Mapping[str, Any], ...] = ()  # entries of the card

    @classmethod
    def of_fit(cls, weights: bytes, held_out: HeldOut) -> "Ways":
        """PyTorch alone, with a threshold that stands there until a rule has chosen one."""
        return cls(
            {WEIGHTS: weights}, {FLOAT: Calibration(held_out, Conformal().fit(held_out.scores, groups=held_out.groups))}
        )

    def summary(self) -> Mapping[str, Any]:
        """The engines that it was exported for."""
        return {"exports": tuple(" ".join(_KIND(entry)) for entry in self.exports)}

    def calibration(self, backend: Backend) -> Calibration:
        """That by which a backend decides; raises KeyError if there is none."""
        return self.calibrations[_way(backend)]

    def with_threshold(self, backend: Backend, threshold: Threshold) -> "Ways":
        """The same, but for the threshold by which a backend decides."""
        own = replace(self.calibration(backend), threshold=threshold)
        return replace(self, calibrations={**self.calibrations, _way(backend): own})

    def calibrated(self, own: Calibration) -> "Ways":
        """In float by this one; int8 is left out: that it decides as PyTorch does was proved for the old one."""
        return replace(self, calibrations={FLOAT: own}).trusted()

    def trusted(self) -> "Ways":
        """Without int8 that has no calibration of its own, as files of an older Urushi have it."""
        has_int8 = self.calibrations.keys() != {FLOAT}
        return replace(
            self,
            graphs={name: graph for name, graph in self.graphs.items() if has_int8 or name != GRAPHS["int8"]},
            exports=tuple(e for e in self.exports if e["precision"] == "fp32" or e["runtime"] in self.calibrations),
        )

    def exported(self, graphs: Mapping[str, bytes], facts: Mapping[str, Any], own: Calibration | None) -> "Ways":
        """With what has passed the gate; its entry takes the place of one of its kind. `own`: None decides as float."""
        kept = self.trusted()
        return Ways(
            {**kept.graphs, **graphs},
            {**kept.calibrations, **({facts["runtime"]: own} if own else {})},
            (*(entry for entry in kept.exports if _KIND(entry) != _KIND(facts)), facts),
        )


def _way(backend: Backend) -> str:
    return backend.runtime if backend.precision == "int8" else FLOAT

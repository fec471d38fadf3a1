"""What every threshold rule would do with the same scores, before one is chosen."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from urushi import catalogue
from urushi.calibration._held_out import HeldOut
from urushi.calibration._plant import Plant
from urushi.calibration.base import Threshold, ThresholdRule
from urushi.calibration.least_cost import LeastCost
from urushi.catalogue import options
from urushi.errors import InputError


@dataclass(frozen=True)
class RuleOutcome:
    """One rule with its default options: its threshold, or the reason why there is none."""

    rule: str
    threshold: Threshold | None
    n_normals_above: int | None  # of the held-out normals
    n_defects_found: int | None  # None also where no defects were given
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return asdict(self) | {"threshold": self.threshold and self.threshold.to_json()}


def compare_rules(held_out: HeldOut, defect_scores: ArrayLike = (), *, plant: Plant | None = None) -> list[RuleOutcome]:
    """Every rule of the catalogue on the held-out normals and scores (m,) of labelled defects, sorted by name.

    Each with its default options; one that weighs costs takes those of a plant.
    """
    names = catalogue.names("urushi.calibration")
    return [_outcome(name, held_out, np.asarray(defect_scores, dtype=np.float64), plant) for name in names]


def _outcome(name: str, held_out: HeldOut, defect_scores: np.ndarray, plant: Plant | None) -> RuleOutcome:
    try:
        kind = catalogue.load("urushi.calibration", name, ThresholdRule)
        known = asdict(plant) if plant and issubclass(kind, LeastCost) else {}
        rule = options.build(kind, known, "threshold")
        threshold = held_out.fitted(rule, defect_scores)
    except InputError as error:
        return RuleOutcome(name, None, None, None, str(error))
    n_above = int((np.array(held_out.scores) > threshold.value).sum())
    n_found = int((defect_scores > threshold.value).sum()) if defect_scores.size else None
    return RuleOutcome(name, threshold, n_above, n_found, None)

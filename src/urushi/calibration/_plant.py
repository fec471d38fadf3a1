"""What decisions cost where a detector is to work: there are few defects there, and their escape is dear."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import InputError

PARTS = 1000  # that costs are given for
_MOST_COST = 1e15  # beyond, sums of costs would lose digits, and overflow at last


@dataclass(frozen=True)
class Plant:
    """The share of defective parts, in (0, 1), and what one decision costs in any unit; raises InputError."""

    prevalence: float
    escape_cost: float | None = None  # of a defective part that passes
    false_alarm_cost: float | None = None  # of a good part that is called anomalous

    def __post_init__(self) -> None:
        if not 0 < self.prevalence < 1:
            raise InputError(
                f"a prevalence is the share of defective parts, above 0 and below 1; not {self.prevalence:g}"
            )
        costs = (self.escape_cost, self.false_alarm_cost)
        if any(cost is not None and not 0 < cost <= _MOST_COST for cost in costs):
            given = f"{costs[0]} and {costs[1]}"
            raise InputError(f"costs are numbers above 0 and at most {_MOST_COST:g}, in any unit; given were {given}")
        if (costs[0] is None) != (costs[1] is None):
            raise InputError("the costs of an escape and of a false alarm go together: a threshold weighs both")

    @property
    def has_costs(self) -> bool:
        return self.escape_cost is not None

    def escapes(self, recall: ArrayLike) -> NDArray[np.float64]:
        """Defective parts that pass, of 1,000 parts."""
        return PARTS * self.prevalence * (1 - np.asarray(recall, dtype=np.float64))

    def false_alarms(self, specificity: ArrayLike) -> NDArray[np.float64]:
        """Good parts that are called anomalous, of 1,000 parts."""
        return PARTS * (1 - self.prevalence) * (1 - np.asarray(specificity, dtype=np.float64))

    def cost(self, recall: ArrayLike, specificity: ArrayLike) -> NDArray[np.float64]:
        """Of the wrong decisions on 1,000 parts; 0 where none is wrong."""
        assert self.escape_cost is not None
        assert self.false_alarm_cost is not None
        return self.escape_cost * self.escapes(recall) + self.false_alarm_cost * self.false_alarms(specificity)

    def precision(self, recall: ArrayLike, specificity: ArrayLike) -> NDArray[np.float64]:
        """Share of defective parts among those called anomalous, in [0, 1]; NaN where none is."""
        found, alarms = PARTS * self.prevalence - self.escapes(recall), self.false_alarms(specificity)
        called = found + alarms
        return np.asarray(np.divide(found, called, out=np.full(called.shape, np.nan), where=called > 0))

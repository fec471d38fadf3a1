"""Least cost: the threshold at which escapes and false alarms together cost least, at the prevalence of a plant."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration._plant import PARTS, Plant
from urushi.calibration.base import FloatArray
from urushi.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class LeastCost(BestCut):
    """The threshold that saves most over passing every part: π·Cₑ·TPR − (1 − π)·C_f·FPR is highest."""

    prevalence: Annotated[float | None, Field(gt=0, lt=1, description="share of defective parts in the plant")] = None
    escape_cost: Annotated[float | None, Field(gt=0, description="of a defective part that passes, in any unit")] = None
    false_alarm_cost: Annotated[
        float | None, Field(gt=0, description="of a good part that is called anomalous, in the same unit")
    ] = None

    def check(self, n_normals: int) -> None:
        """Raise RecipeError if it is not said what decisions cost."""
        super().check(n_normals)
        if None in (self.prevalence, self.escape_cost, self.false_alarm_cost):
            raise RecipeError(
                f"The rule {self.name!r} weighs what decisions cost: say --prevalence, --escape-cost and "
                "--false-alarm-cost."
            )

    @property
    def aim(self) -> str:
        return f"what inspecting {PARTS:,} parts saves over passing them all"

    def quality(self, cuts: Cuts) -> FloatArray:
        """What 1,000 parts save, in the unit of the costs."""
        assert self.prevalence is not None
        plant = Plant(self.prevalence, self.escape_cost, self.false_alarm_cost)
        return plant.cost(0.0, 1.0) - plant.cost(cuts.recall, cuts.specificity)

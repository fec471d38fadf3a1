"""A threshold that a person has set, after looking at scores and verdicts."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError, RecipeError


@dataclass(frozen=True, kw_only=True)
class Fixed(ThresholdRule):
    """The threshold is as it is given; the held-out normals only say what it does."""

    value: Annotated[
        float | None, Field(allow_inf_nan=False, description="the threshold itself, in the unit of the scores")
    ] = None

    def check(self, n_normals: int) -> None:
        """Raise RecipeError if no threshold is given."""
        super().check(n_normals)
        if self.value is None:
            raise RecipeError(f"The rule {self.name!r} takes the threshold itself: give its option value.")

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:  # noqa: ARG002  it looks at no score
        """As given; raises CalibrationError if every held-out normal lies above it."""
        assert self.value is not None
        if normal[0] > self.value:
            raise CalibrationError(
                f"All {len(normal)} held-out normal images lie above {self.value:.6g}: every part would be anomalous. "
                f"Give more than {normal[0]:.6g}, or use the rule 'conformal', which states its rate."
            )
        return self.observed(float(self.value), normal, "set by hand")

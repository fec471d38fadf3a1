"""Mean and standard deviation: the control limit of statistical process control."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

from pydantic import Field

from urushi.calibration._p_values import percent
from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError


@dataclass(frozen=True, kw_only=True)
class MeanDeviation(ThresholdRule):
    """Mean + k·σ of held-out normals (METHODS §11), σ with n − 1 degrees of freedom.

    Scores have a longer tail than the normal distribution as a rule, so the rate of its tables is not promised.
    """

    k: Annotated[float, Field(gt=0, le=100, description="standard deviations above the mean")] = 3.0

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if there are fewer than the 2 held-out normals of a standard deviation."""
        super().check(n_normals)
        if n_normals < 2:
            raise CalibrationError(
                f"The rule {self.name!r} needs at least 2 held-out normal images; there are {n_normals}. Give more "
                "good images, or use the rule 'conformal'."
            )

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:  # noqa: ARG002  it looks at normals only
        """The control limit of scores (n,); raises CalibrationError if they are all equal."""
        if normal[0] == normal[-1]:
            raise CalibrationError(
                f"All {len(normal)} held-out scores are {normal[0]:.6g}, so they have no standard deviation. Check the "
                "model, or use the rule 'conformal'."
            )
        value = float(normal.mean() + self.k * normal.std(ddof=1))
        bell = percent(NormalDist().cdf(-self.k))
        what = f"{self.k:.6g} standard deviations above the mean of the held-out scores"
        return self.observed(value, normal, f"{what} (exceeded by {bell} of good parts if scores were Gaussian)")

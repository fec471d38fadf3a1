"""Part average testing: a control limit from median and quartiles, which a few odd parts cannot move."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError

_IQR_PER_DEVIATION = 1.35  # interquartile range of the normal distribution, in standard deviations
_N_MIN = 4  # a quarter of fewer is less than one image


@dataclass(frozen=True, kw_only=True)
class PartAverage(ThresholdRule):
    """Median + k·IQR/1.35 of held-out normals: robust part average testing (AEC-Q001; S2 §6.4.1, METHODS §11)."""

    k: Annotated[float, Field(gt=0, le=100, description="robust standard deviations above the median")] = 6.0

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if there are fewer than the 4 held-out normals of quartiles."""
        super().check(n_normals)
        if n_normals < _N_MIN:
            raise CalibrationError(
                f"The rule {self.name!r} needs at least {_N_MIN} held-out normal images; there are {n_normals}. Give "
                "more good images, or use the rule 'conformal'."
            )

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:  # noqa: ARG002  it looks at normals only
        """The control limit of scores (n,); raises CalibrationError if their quartiles are equal."""
        low, median, high = np.quantile(normal, [0.25, 0.5, 0.75])
        if low == high:
            raise CalibrationError(
                f"Half of the {len(normal)} held-out scores are {median:.6g}, so their interquartile range is 0. Check "
                "the model, or use the rule 'conformal'."
            )
        value = float(median + self.k * (high - low) / _IQR_PER_DEVIATION)
        what = f"{self.k:.6g} robust standard deviations (interquartile range / {_IQR_PER_DEVIATION}) above the median"
        return self.observed(value, normal, f"{what} of the held-out scores")

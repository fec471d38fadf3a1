"""Quantile threshold: an order statistic of held-out normals, without a guarantee."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from urushi.calibration._p_values import sorted_scores
from urushi.calibration.base import Threshold, ThresholdRule
from urushi.errors import CalibrationError


@dataclass(frozen=True, kw_only=True)
class Quantile(ThresholdRule):
    """The ⌈q·n⌉-th smallest of the n scores of held-out normals (METHODS §11); at most 1 − q of them lie above."""

    quantile: Annotated[
        float, Field(gt=0, lt=1, description="share of the held-out normals that must not lie above the threshold")
    ] = 0.99

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if fewer than 1/(1 − q) held-out normals would make the maximum the threshold."""
        super().check(n_normals)
        n_min = ceil(1 / (1 - self._exact))
        if n_normals < n_min:
            raise CalibrationError(
                f"The quantile {self.quantile:.6g} needs at least {n_min} held-out normal images; there are "
                f"{n_normals}, and the threshold would just be their highest score. Give more good images, hold out "
                f"a larger part of them, lower the quantile, or use the rule 'conformal', which states its rate."
            )

    def fit(
        self,
        normal_scores: NDArray[np.floating[Any]],
        defect_scores: NDArray[np.floating[Any]] | None = None,  # noqa: ARG002  the rule looks at normals only
    ) -> Threshold:
        """The threshold from scores (n,) of held-out normals; raises CalibrationError if n < 1/(1 − q)."""
        ordered = sorted_scores(normal_scores, "held-out normal")
        n = len(ordered)
        self.check(n)
        value = float(ordered[ceil(n * self._exact) - 1])
        observed = float((ordered > value).mean())
        return Threshold(
            value=value,
            rule=self.name,
            false_alarm_rate=observed,
            n_normals=n,
            n_defects=0,
            explanation=f"{observed:.3%} of {n} held-out normal images lie above the threshold, the "
            f"{self.quantile:.6g} quantile of their scores, which needs at least {ceil(1 / (1 - self._exact))} of "
            "them; this share is observed, not guaranteed for new parts.",
        )

    @property
    def _exact(self) -> Fraction:
        return Fraction(repr(self.quantile))  # the decimal that was typed: 0.07·100 is 7, not 7.000000000000001

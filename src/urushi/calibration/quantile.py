"""Quantile threshold: an order statistic of held-out normals, without a guarantee."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Annotated

from pydantic import Field

from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
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
        if n_normals < self._n_min:
            raise CalibrationError(
                f"The quantile {self.quantile:.6g} needs at least {self._n_min} held-out normal images; there are "
                f"{n_normals}, and the threshold would just be their highest score. Give more good images, hold out "
                f"a larger part of them, lower the quantile, or use the rule 'conformal', which states its rate."
            )

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:  # noqa: ARG002  it looks at normals only
        """The order statistic of scores (n,)."""
        value = float(normal[ceil(len(normal) * self._exact) - 1])
        needs = f"which needs at least {self._n_min} of them"
        return self.observed(value, normal, f"the {self.quantile:.6g} quantile of the held-out scores, {needs}")

    @property
    def _n_min(self) -> int:
        return ceil(1 / (1 - self._exact))

    @property
    def _exact(self) -> Fraction:
        return Fraction(repr(self.quantile))  # the decimal that was typed: 0.07·100 is 7, not 7.000000000000001

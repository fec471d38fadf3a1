"""Split-conformal threshold: held-out normals alone, with a guaranteed false-alarm rate."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from urushi.calibration._p_values import sorted_scores
from urushi.calibration.base import Threshold, ThresholdRule
from urushi.errors import CalibrationError

_DEFAULT_RATE = 0.01
_FALLBACK_RATE = 0.05  # the highest of few scores is a poor threshold: one odd image decides it


@dataclass(frozen=True, kw_only=True)
class Conformal(ThresholdRule):
    """Threshold with which `score > threshold` is the same as `p-value <= false_alarm_rate` (METHODS §11).

    With n held-out normals it is the ⌈(n+1)(1−α)⌉-th smallest of their scores. If new good parts come from the same
    process, the false-alarm rate is at most α on average over calibrations; no shape of the scores is assumed.
    """

    false_alarm_rate: Annotated[
        float | None,
        Field(
            ge=1e-9,
            lt=1,
            description="share of good parts that may be called anomalous; none: 0.01, or with fewer than 99 held-out "
            "normals 0.05, or with fewer than 19 the smallest rate they allow, 1/(n+1)",
        ),
    ] = None

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if an explicit rate α needs more than `n_normals` held-out normals, ⌈1/α⌉ − 1."""
        super().check(n_normals)
        rate = self._rate(n_normals)
        if n_allowed(rate, n_normals) < 1:
            raise CalibrationError(
                f"A false-alarm rate of {rate:.6g} needs at least {n_needed(rate)} held-out normal images; there are "
                f"{n_normals}. Give more good images, hold out a larger part of them, or allow a rate of "
                f"{_rounded_up(1 / (n_normals + 1)):.6g} or more."
            )

    def fit(
        self,
        normal_scores: NDArray[np.floating[Any]],
        defect_scores: NDArray[np.floating[Any]] | None = None,  # noqa: ARG002  the rule looks at normals only
    ) -> Threshold:
        """The threshold from scores (n,) of held-out normals; raises CalibrationError if n is too small for α."""
        ordered = sorted_scores(normal_scores, "held-out normal")
        n = len(ordered)
        self.check(n)
        allowed = n_allowed(self._rate(n), n)
        return Threshold(
            value=float(ordered[n - allowed]),
            rule=self.name,
            false_alarm_rate=allowed / (n + 1),
            n_normals=n,
            n_defects=0,
            explanation=self._explanation(n, allowed),
        )

    def _rate(self, n_normals: int) -> float:
        if self.false_alarm_rate is not None:
            return self.false_alarm_rate
        supported = (rate for rate in (_DEFAULT_RATE, _FALLBACK_RATE) if n_allowed(rate, n_normals))
        return next(supported, 1 / (n_normals + 1))

    def _explanation(self, n: int, allowed: int) -> str:
        promise = f"at most {_percent(allowed / (n + 1))} of good parts will be called anomalous on average"
        if self.false_alarm_rate is None and self._rate(n) > _DEFAULT_RATE:
            return (
                f"ATTENTION: {n} held-out normal images are too few for a false-alarm rate of "
                f"{_percent(_DEFAULT_RATE)}, which needs {n_needed(_DEFAULT_RATE)}, so a higher one is taken: "
                f"{promise}, as long as new parts come from the same process."
            )
        return (
            f"With {n} held-out normal images, {promise}, as long as new parts come from the same process; "
            f"the asked-for rate of {_percent(self._rate(n))} needs at least {n_needed(self._rate(n))} of them."
        )


def _rounded_up(rate: float) -> float:
    return ceil(rate * 1e4) / 1e4  # typed as printed, it must be enough


def n_allowed(rate: float, n_normals: int) -> int:
    """⌊α(n+1)⌋: the number j for which j/(n+1) ≤ α < (j+1)/(n+1), with the very division that p-values use.

    (n+1)·α itself rounds to the wrong side now and then (0.07·100 > 7), and a decision would contradict its p-value.
    """
    total = n_normals + 1
    guess = round(rate * total)
    return max(j for j in range(guess - 2, guess + 2) if j <= 0 or j / total <= rate)


def n_needed(rate: float) -> int:
    """⌈1/α⌉ − 1: the smallest number of held-out normals that supports a false-alarm rate α in (0, 1)."""
    guess = round(1 / rate)
    return next(n for n in range(max(guess - 2, 1), guess + 3) if 1 / (n + 1) <= rate)


def _percent(rate: float) -> str:
    """Three digits are as many as a reader wants: 0.01515 is 1.52 %."""
    return f"{100 * rate:.3g} %"

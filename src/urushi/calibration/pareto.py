"""Pareto tail: a rate that the held-out normals are too few for, extrapolated from the shape of their tail."""

from dataclasses import dataclass
from math import floor, log
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.calibration._p_values import n_needed, percent
from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError

_N_TAIL_MIN = 20  # two parameters from fewer are guesses


@dataclass(frozen=True, kw_only=True)
class Pareto(ThresholdRule):
    """Peaks over threshold (METHODS §11): a generalised Pareto distribution fitted to the highest held-out scores.

    Its parameters come from probability-weighted moments (Hosking & Wallis 1987), which need no search and suit small
    samples. Nothing but the fitted shape vouches for the rate: with 200 simulated normals the true rate was two to five
    times the stated 0.001 on average (studies/results/threshold_rules.md).
    """

    false_alarm_rate: Annotated[
        float, Field(ge=1e-9, lt=1, description="share of good parts that may be called anomalous, by extrapolation")
    ] = 0.001
    tail_fraction: Annotated[float, Field(gt=0, le=0.5, description="share of the held-out normals in the tail")] = 0.2

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if the tail has fewer than 20 held-out normals, or the rate does not lie in it."""
        super().check(n_normals)
        n_tail = self._n_tail(n_normals)
        if n_tail < _N_TAIL_MIN:
            raise CalibrationError(
                f"The rule {self.name!r} fits the highest {percent(self.tail_fraction)} of the held-out normal images "
                f"and needs at least {_N_TAIL_MIN} of these; of {n_normals} there are {n_tail}. Give more good images, "
                "enlarge tail_fraction, or use the rule 'conformal'."
            )
        if self.false_alarm_rate >= n_tail / n_normals:
            raise CalibrationError(
                f"A false-alarm rate of {self.false_alarm_rate:.6g} needs no extrapolation: it does not lie in the "
                f"tail, the highest {n_tail} of {n_normals} held-out normal images. Use the rule 'conformal', which "
                "guarantees it, or give a lower rate."
            )

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:  # noqa: ARG002  it looks at normals only
        """The extrapolated quantile of scores (n,); raises CalibrationError if those of the tail are all equal."""
        n, n_tail = len(normal), self._n_tail(len(normal))
        start = normal[n - n_tail - 1]
        shape, scale = fit_tail(normal[n - n_tail :] - start)
        value = float(start + tail_quantile(self.false_alarm_rate * n / n_tail, shape, scale))
        return Threshold(
            value=value,
            rule=self.name,
            false_alarm_rate=self.false_alarm_rate,
            rate_kind="extrapolated",
            n_normals=n,
            n_defects=0,
            explanation=self._explanation(n, n_tail, int((normal > value).sum()), shape),
        )

    def _n_tail(self, n_normals: int) -> int:
        return floor(n_normals * self.tail_fraction)

    def _explanation(self, n: int, n_tail: int, n_above: int, shape: float) -> str:
        rate, n_guaranteed = percent(self.false_alarm_rate), n_needed(self.false_alarm_rate)
        return (
            f"By EXTRAPOLATION {rate} of good parts will be called anomalous: a Pareto tail (shape {shape:.2f}) was "
            f"fitted to the highest {n_tail} of {n} held-out normal images, {n_above} of which lie above the "
            f"threshold. Nothing guarantees the rate: expect a higher one. A guarantee needs {n_guaranteed} of them."
        )


def fit_tail(excesses: FloatArray) -> tuple[float, float]:
    """Shape ξ and scale σ of a generalised Pareto distribution from excesses (k,) ≥ 0, ascending.

    Hosking & Wallis (1987), eq. for ξ < 1: a₀ = E[Y], a₁ = E[Y(1 − F(Y))], ξ = 2 − a₀/(a₀ − 2a₁), σ = 2a₀a₁/(a₀ − 2a₁).
    Raises CalibrationError if the excesses are all equal.
    """
    if excesses[0] == excesses[-1]:
        raise CalibrationError(
            f"The highest {len(excesses)} held-out scores are all equal, so their tail has no shape. Check the model, "
            "or use the rule 'conformal'."
        )
    k = len(excesses)
    a0, a1 = excesses.mean(), (excesses * np.arange(k - 1, -1, -1)).mean() / (k - 1)
    shape, scale = 2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)
    # A tail that ends at −σ/ξ, before the highest excess, is impossible (Dupuis & Tsao 1998): let it end there.
    return float(max(shape, -scale / excesses[-1])), float(scale)


def tail_quantile(probability: float, shape: float, scale: float) -> float:
    """The excess that is exceeded with a probability in (0, 1)."""
    if abs(shape) < 1e-9:  # the limit ξ → 0, the exponential distribution
        return -scale * log(probability)
    return float(scale / shape * (probability**-shape - 1))

"""Split-conformal threshold: held-out normals alone, with a guaranteed false-alarm rate."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from urushi.calibration._normals import Normals
from urushi.calibration._p_values import n_allowed, n_needed, percent, require_enough
from urushi.calibration.base import FloatArray, Threshold, ThresholdRule
from urushi.errors import CalibrationError

_RATES = (0.01, 0.05)  # of these the lower one is the default where enough images decide the threshold
_ENOUGH = 5  # held-out scores above it: the highest alone is a poor threshold, one odd image would decide it


@dataclass(frozen=True, kw_only=True)
class Conformal(ThresholdRule):
    """Threshold with which `score > threshold` is the same as `p-value <= false_alarm_rate` (METHODS §11).

    With n held-out normals it is the ⌈(n+1)(1−α)⌉-th smallest of their scores. If new good parts come from the same
    process, the false-alarm rate is at most α on average over calibrations; no shape of the scores is assumed. Of
    several images of one product each counts as its share of it: the rate is then that of images of new products.
    """

    false_alarm_rate: Annotated[
        float | None,
        Field(
            ge=1e-9,
            lt=1,
            description="share of good parts that may be called anomalous; none: 0.05, with 499 held-out normals or "
            "more 0.01, with fewer than 19 the smallest rate they allow, 1/(n+1)",
        ),
    ] = None

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError if an explicit rate α needs more than `n_normals` held-out normals, ⌈1/α⌉ − 1."""
        super().check(n_normals)
        rate = self._rate(n_normals)
        require_enough(rate, n_normals, "false-alarm rate")
        if self.warn_rate is not None and n_allowed(self.warn_rate, n_normals) <= n_allowed(rate, n_normals):
            raise CalibrationError(
                f"With {n_normals} held-out normal images a warn rate of {self.warn_rate:.6g} is no more than the "
                f"false-alarm rate of {rate:.6g}, so no image could be unsure. Give a higher warn rate."
            )

    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:
        """The order statistic of scores (n,)."""
        return self.choose_weighted(Normals.of(normal), defect)

    def choose_weighted(self, normals: Normals, defect: FloatArray) -> Threshold:  # noqa: ARG002  normals only
        """The quantile in which each product counts as one."""
        value, rate = normals.limit(self._rate(normals.n_independent))
        return Threshold(
            value=value,
            rule=self.name,
            false_alarm_rate=rate,
            rate_kind="guaranteed",
            n_normals=len(normals.scores),
            n_defects=0,
            explanation=self._explanation(normals, rate),
        )

    def _rate(self, n_normals: int) -> float:
        if self.false_alarm_rate is not None:
            return self.false_alarm_rate
        low, usual = _RATES
        if n_allowed(low, n_normals) >= _ENOUGH:
            return low
        return usual if n_allowed(usual, n_normals) else 1 / (n_normals + 1)

    def _explanation(self, normals: Normals, stated: float) -> str:
        n, images, parts = normals.n_independent, "held-out normal images", "good parts"
        if normals.n_groups is not None:
            images, parts = f"held-out products ({len(normals.scores)} images)", "the images of new good products"
        promise = f"at most {percent(stated)} of {parts} will be called anomalous on average"
        needed = f"the asked-for rate of {percent(self._rate(n))} needs at least {n_needed(self._rate(n))} of them"
        if self.false_alarm_rate is None and self._rate(n) > _RATES[1]:
            return (
                f"ATTENTION: {n} {images} are too few for a false-alarm rate of "
                f"{percent(_RATES[1])}, which needs {n_needed(_RATES[1])}, so a higher one is taken: "
                f"{promise}, as long as new parts come from the same process."
            )
        if self.false_alarm_rate is None and self._rate(n) > _RATES[0]:
            needed = f"a default of {percent(_RATES[0])} needs 499 of them, so that no single one decides"
        return f"With {n} {images}, {promise}, as long as new parts come from the same process; {needed}."

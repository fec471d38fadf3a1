"""What every threshold rule promises, and the threshold it gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, Field, ValidationError

from urushi.calibration._normals import Normals
from urushi.calibration._p_values import percent, require_enough, sorted_scores
from urushi.catalogue import options
from urushi.errors import CalibrationError
from urushi.inspection import Decision

FloatArray = NDArray[np.float64]
RateKind = Literal[
    "guaranteed",  # on average over calibrations, whatever the shape of the scores
    "approximate",  # would be guaranteed, but the held-out images were scored by the fits of folds
    "extrapolated",  # beyond the held-out scores, from a model of their tail
    "observed",  # on the held-out normals themselves: no promise for new parts
]

# Strict by field: a strict dataclass as a whole would refuse the dictionary that JSON gives.
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Rate = Annotated[float, Field(strict=True, ge=0, le=1)]
_Count = Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A fitted threshold: an image is anomalous if its score is strictly above `value`.

    With `warn_value` there are three decisions: what lies above it, but not above `value`, is unsure.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    value: _Finite
    rule: Annotated[str, Field(min_length=1, max_length=100)]  # its name in the catalogue, or that of a batch decision
    false_alarm_rate: _Rate | None  # share of good parts above `value`; `rate_kind` says what it is worth
    rate_kind: RateKind = "observed"
    n_normals: Annotated[_Count, Field(ge=1)]  # held-out normal images it was fitted on
    n_defects: _Count  # labelled defects it was fitted on
    explanation: Annotated[str, Field(max_length=2000)]  # for the person at the line
    warn_value: _Finite | None = None
    warn_rate: _Rate | None = None  # conformal share of good parts above `warn_value`, whatever the rule
    n_groups: Annotated[_Count, Field(ge=1)] | None = None  # products these images are of; None: each of its own

    def __post_init__(self) -> None:
        if self.warn_value is not None and not self.warn_value < self.value:
            raise CalibrationError(
                f"Unsure images would begin above {self.warn_value:.6g}, which is not below the threshold "
                f"{self.value:.6g}, so there would be none. Ask for a higher warn rate or a lower false-alarm rate."
            )

    def decide(self, score: float) -> Decision:
        """The decision on one score; raises CalibrationError for NaN, which must never pass as normal."""
        if isnan(score):
            raise CalibrationError("The score is NaN, so there is no decision. Check the image and the model's output.")
        if score > self.value:
            return "anomalous"
        return "normal" if self.warn_value is None or score <= self.warn_value else "unsure"

    def with_band(self, normals: Normals, warn_rate: float) -> "Threshold":
        """The same with a band of unsure images: what has a p-value of at most `warn_rate` is at least unsure.

        Raises CalibrationError if no image could be unsure.
        """
        value, rate = normals.limit(warn_rate)
        promise = (
            f" Above {value:.6g} an image is at least unsure: at most {percent(rate)} of good parts will be unsure or "
            "anomalous on average."
        )
        return replace(self, warn_value=value, warn_rate=rate, explanation=self.explanation + promise)

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        plain = asdict(self)
        if self.n_groups is None:
            del plain["n_groups"]  # which an older version would not know
        return plain

    @classmethod
    def from_json(cls, data: object) -> "Threshold":
        """A threshold from what `to_json` gave; raises CalibrationError if a value is missing, foreign or wrong."""
        try:
            threshold: Threshold = options.adapter(cls).validate_python(_with_rate_kind(data))
        except ValidationError as error:
            # The values themselves stay out of the message: they may be long and come from a stranger.
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors()[:5])
            raise CalibrationError(
                f"The stored threshold is damaged or of another format ({wrong[:500]}). Calibrate the detector anew."
            ) from error
        return threshold


@dataclass(frozen=True, kw_only=True)
class ThresholdRule(ABC):
    """Finds a threshold; a rule is a frozen keyword-only dataclass whose fields are its options."""

    needs_defects: ClassVar[bool] = False  # True where labelled defects are necessary

    warn_rate: Annotated[
        float | None,
        Field(
            ge=1e-9,
            lt=1,
            description="share of good parts that may be unsure or anomalous; none: every image is normal or anomalous",
        ),
    ] = None

    def __post_init__(self) -> None:
        options.check(type(self), vars(self), f"threshold.{self.name}")  # also where no recipe was in between

    @property
    def name(self) -> str:
        """The rule's name in the catalogue, which is its module's name."""
        return type(self).__module__.rpartition(".")[2]

    def check(self, n_normals: int) -> None:
        """Raise CalibrationError, before any training, if so few held-out normals cannot support what was asked."""
        if n_normals < 1:
            raise CalibrationError(
                f"The rule {self.name!r} has {n_normals} held-out normal images; it needs at least 1. "
                "Give more good images, or hold out a larger part of them."
            )
        if self.warn_rate is not None:
            require_enough(self.warn_rate, n_normals, "warn rate")

    def fit(
        self, normal_scores: ArrayLike, defect_scores: ArrayLike | None = None, *, groups: Sequence[str] = ()
    ) -> Threshold:
        """The threshold from scores (n,) of held-out normals and (m,) of labelled defects, with its band if asked for.

        `groups` (n,) name the product of each held-out normal; without them each is of its own. Raises CalibrationError
        if there are too few images or products, one is not finite, or they allow no such threshold.
        """
        normals = Normals.of(normal_scores, groups)
        with counting_products(normals):
            self.check(normals.n_independent)
        threshold = self.choose_weighted(normals, self._defects(defect_scores))
        if normals.n_groups is not None:
            threshold = replace(threshold, n_groups=normals.n_groups)
        return threshold if self.warn_rate is None else threshold.with_band(normals, self.warn_rate)

    def choose_weighted(self, normals: Normals, defect: FloatArray) -> Threshold:
        """As `choose`, which a rule that promises nothing is content with: products with more images then weigh more.

        Such a rule says so.
        """
        threshold = self.choose(normals.scores, defect)
        if normals.n_groups is None:
            return threshold
        remark = (
            f" These images are of {normals.n_groups} products only, and images of one product are alike: it is less "
            "certain than so many images suggest."
        )
        return replace(threshold, explanation=threshold.explanation + remark)

    @abstractmethod
    def choose(self, normal: FloatArray, defect: FloatArray) -> Threshold:
        """The threshold from ascending scores, checked: (n,) of normals and (m,) of defects, m = 0 if not needed."""

    def observed(self, value: float, normal: FloatArray, what: str) -> Threshold:
        """A threshold that promises nothing: what it is, and the share of the held-out normals above it."""
        n, n_above = len(normal), int((normal > value).sum())
        return Threshold(
            value=value,
            rule=self.name,
            false_alarm_rate=n_above / n,
            rate_kind="observed",
            n_normals=n,
            n_defects=0,
            explanation=f"The threshold is {what}; {n_above} of {n} held-out normal images lie above it, which is "
            "observed, not guaranteed for new parts.",
        )

    def _defects(self, scores: ArrayLike | None) -> FloatArray:
        if not self.needs_defects:
            return np.empty(0)
        if scores is None or np.size(scores) == 0:
            raise CalibrationError(
                f"The rule {self.name!r} needs labelled defects, and none were given. Give a folder of defective "
                "images, or use the rule 'conformal', which needs normal images only."
            )
        return sorted_scores(scores, "labelled defective")


@contextmanager
def counting_products(normals: Normals) -> Iterator[None]:
    """Says of an error on too few images that those of one product count as one."""
    try:
        yield
    except CalibrationError as error:
        if normals.n_groups is None:
            raise
        raise CalibrationError(f"{error} {of_products(len(normals.scores), normals.n_groups)}") from None


def of_products(n_images: int, n_groups: int) -> str:
    """Why there are fewer than one might count."""
    return f"Images of one product count as one: there are {n_images} images of {n_groups} products."


def _with_rate_kind(data: object) -> object:
    """Older detector files do not say what their rate is worth; of the rules of that time only conformal promised."""
    if isinstance(data, dict) and "rate_kind" not in data and data.get("rule") == "conformal":
        return {**data, "rate_kind": "guaranteed"}
    return data

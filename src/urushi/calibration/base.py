"""What every threshold rule promises, and the threshold it gives."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from math import isnan
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from urushi import options
from urushi.errors import CalibrationError
from urushi.inspection import Decision

# Strict by field: a strict dataclass as a whole would refuse the dictionary that JSON gives.
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Rate = Annotated[float, Field(strict=True, ge=0, le=1)]
_Count = Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A fitted threshold: an image is anomalous if its score is strictly above `value`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    value: _Finite
    rule: Annotated[str, Field(min_length=1, max_length=100)]  # name of the rule in the catalogue
    false_alarm_rate: _Rate | None  # guaranteed (conformal) or observed on the held-out normals, share of good parts
    n_normals: Annotated[_Count, Field(ge=1)]  # held-out normal images it was fitted on
    n_defects: _Count  # labelled defects it was fitted on
    explanation: Annotated[str, Field(max_length=2000)]  # for the person at the line

    def decide(self, score: float) -> Decision:
        """The decision on one score; raises CalibrationError for NaN, which must never pass as normal."""
        if isnan(score):
            raise CalibrationError("The score is NaN, so there is no decision. Check the image and the model's output.")
        return "anomalous" if score > self.value else "normal"

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> "Threshold":
        """A threshold from what `to_json` gave; raises CalibrationError if a value is missing, foreign or wrong."""
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            # The values themselves stay out of the message: they may be long and come from a stranger.
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors()[:5])
            raise CalibrationError(
                f"The stored threshold is damaged or of another format ({wrong[:500]}). Calibrate the detector anew."
            ) from error


class ThresholdRule(ABC):
    """Finds a threshold; a rule is a frozen keyword-only dataclass whose fields are its options."""

    needs_defects: ClassVar[bool] = False  # True where labelled defects are necessary

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

    @abstractmethod
    def fit(
        self, normal_scores: NDArray[np.floating[Any]], defect_scores: NDArray[np.floating[Any]] | None = None
    ) -> Threshold:
        """The threshold from scores (n,) of held-out normals and (m,) of defects; raises CalibrationError."""

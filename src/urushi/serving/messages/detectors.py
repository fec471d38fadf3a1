"""Detectors, their versions and rules, and whether they drift."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from urushi.serving.drift.monitor import State as DriftState
from urushi.serving.drift.monitors import Reference
from urushi.serving.messages.fields import Number, Sentence
from urushi.serving.tables import Version


class VersionFound(BaseModel):
    """A detector as it was at a time."""

    number: int
    threshold: float
    time: datetime
    author: str
    reason: str
    digest: str
    is_current: bool

    @classmethod
    def of(cls, row: Version, current: int | None) -> "VersionFound":
        """From its row, and the number of the version that decides now, if one does."""
        names = ("number", "threshold", "time", "author", "reason", "digest")
        return cls(**{name: getattr(row, name) for name in names}, is_current=row.number == current)


class DetectorFound(BaseModel):
    """A detector as it decides now."""

    name: str = Field(examples=["part"])
    version: int = Field(examples=[2])
    runs_in: str = Field(examples=["ONNX Runtime 1.31 (fp32, 2 threads)"])
    threshold: dict[str, Any] = Field(examples=[{"value": 52.0, "rule": "conformal", "false_alarm_rate": 0.05}])
    card: dict[str, Any] = Field(examples=[{"recipe": "default", "seed": 0}])


class SpreadFound(BaseModel):
    """Where values lie: a quarter of them below `low`, half below `middle`, three quarters below `high`."""

    low: float = Field(examples=[0.40])
    middle: float = Field(examples=[0.42])
    high: float = Field(examples=[0.44])


class StatisticFound(BaseModel):
    """A statistic of normal images, and how far it has moved."""

    statistic: str = Field(examples=["brightness"])
    evidence: float = Field(examples=[0.003], description="1 raises the alarm.")
    n_reference: int = Field(examples=[150])
    reference: SpreadFound | None
    n_images: int = Field(examples=[812], description="That the reference was compared with, in this round.")
    lately: SpreadFound | None = Field(description="Of the last 50 of them.")


class DriftAlarm(BaseModel):
    """What has moved; it stands until it is acknowledged."""

    time: datetime
    message: str = Field(examples=["brightness has moved up, from 0.42 to 0.47; in the last 14 normal images"])
    moved: list[str] = Field(examples=[["brightness"]])


class DriftFound(BaseModel):
    """Whether what is normal has moved since the fit."""

    detector: str = Field(examples=["part"])
    version: int = Field(examples=[2])
    state: DriftState = Field(description="Learning, as long as a statistic has less than 100 values as its reference.")
    n_images: int = Field(examples=[962], description="Normal images since the test began.")
    images_per_false_alarm: float = Field(examples=[100_000], description="While nothing changes, on average.")
    alarm: DriftAlarm | None
    statistics: list[StatisticFound]


class AcknowledgeAsked(BaseModel):
    """How to go on after an alarm: against the same reference, or against the normal images that come next."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reference": "next", "reason": "new lamp, on purpose"}}
    )

    reference: Reference
    reason: Sentence


class RuleFound(BaseModel):
    """What a threshold rule would do, or why it cannot be used."""

    rule: str = Field(examples=["conformal"])
    threshold: dict[str, Any] | None
    n_normals_above: int | None
    n_defects_found: int | None
    reason: str | None


class SwitchAsked(BaseModel):
    """Which version is to decide, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"number": 1, "reason": "too strict"}})

    number: Number
    reason: Sentence

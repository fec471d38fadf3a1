"""Another threshold, and what it would change."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from urushi.serving.history import Outcome
from urushi.serving.messages.fields import Number, Sentence, VerdictKind, Word
from urushi.serving.messages.figures import ShareFound
from urushi.serving.review import Recalibration


class RecalibrationAsked(BaseModel):
    """How a threshold is to be chosen; without a rule, by the detector's own, with these options."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"rule": "youden"}})

    rule: Word | None = None
    options: Annotated[dict[Word, float | int | str | bool | None], Field(max_length=20)] = {}
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    counts_reviewed: bool = Field(
        default=False,
        description="Scores of images with the verdict OK join the held-out ones; only where all of the time have one.",
    )

    def recalibration(self) -> Recalibration:
        """As the review takes it."""
        return Recalibration(self.rule, dict(self.options), self.since, self.until, self.counts_reviewed)


class ApplyAsked(RecalibrationAsked):
    """The same, with the version that it is to follow, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"rule": "youden", "version": 1, "reason": "defects of week 48"}},
    )

    version: Number
    reason: Sentence


class LearnAsked(BaseModel):
    """Which inspections to learn as good, by their ids; without, all false alarms."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"inspections": [17, 23], "version": 1, "reason": "new supplier"}}
    )

    inspections: Annotated[list[Number], Field(min_length=1, max_length=10_000)] | None = None
    version: Number
    reason: Sentence


class BeforeAfter(BaseModel):
    """A share by the present threshold, and by the new one."""

    before: ShareFound
    after: ShareFound


class FlipFound(BaseModel):
    """An inspection that would be decided otherwise."""

    id: int
    score: float
    before: Outcome
    after: Outcome
    verdict: VerdictKind | None


class PreviewFound(BaseModel):
    """What a re-calibration would change."""

    version: int = Field(examples=[1])
    before: dict[str, Any] = Field(examples=[{"value": 52.0, "rule": "conformal"}])
    after: dict[str, Any] = Field(examples=[{"value": 61.5, "rule": "youden"}])
    n_inspections: int = Field(examples=[4711])
    verdicts: dict[str, int] = Field(examples=[{"ok": 40, "ng": 12, "none": 4659}])
    false_alarms: BeforeAfter
    escapes: BeforeAfter
    n_flips: dict[str, int] = Field(examples=[{"anomalous -> normal": 3}])
    flips: list[FlipFound]
    cautions: list[str]

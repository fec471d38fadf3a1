"""What the API takes and gives, as models with examples."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from urushi.runtime.names import Engine
from urushi.serving.comparisons import MOST_IMAGES
from urushi.serving.counts import Counts
from urushi.serving.drift.monitor import State as DriftState
from urushi.serving.drift.monitors import Reference
from urushi.serving.history import Outcome
from urushi.serving.jobs import Asked, Kind, State, share_of
from urushi.serving.review import Recalibration
from urushi.serving.tables import LARGEST_ID, Job, Version
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.sets import ID as TEACHING_ID
from urushi.serving.versions import NAME
from urushi.serving.what_if import WhatIf

Number = Annotated[int, Field(ge=1, le=LARGEST_ID)]
VerdictKind = Literal["ok", "ng", "unsure"]


def _shown(text: str) -> str:
    """Raises ValueError for characters that cannot be shown: control and bidi characters, lone surrogates."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return text


Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_shown)]
Sentence = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_shown)]


class AboutImage(BaseModel):
    """What may come with images: form fields beside them, or query parameters with a raw body."""

    model_config = ConfigDict(extra="forbid")

    part_id: Word | None = None
    serial: Word | None = None
    station: Word | None = None
    shift: Word | None = None
    tags: Annotated[list[Word], Field(max_length=20)] = []


class Triggered(AboutImage):
    """What may come with a trigger; with an `id`, a second one gives the first one's picture."""

    id: Word | None = None


class CameraFound(BaseModel):
    """A camera of the station."""

    name: str = Field(examples=["top"])
    detector: str = Field(examples=["part"])
    is_triggered: bool = Field(description="Takes a picture when it is asked to; else by itself.")


class VerdictSaid(BaseModel):
    """What a person said of an inspection."""

    verdict: VerdictKind
    defect_type: str | None
    note: str | None
    author: str
    time: datetime


class InspectionFound(BaseModel):
    """One inspected image; of one that could not be read all figures are missing, and `reason` says why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 4711,
                "time": "2026-11-30T09:00:00Z",
                "detector": "part",
                "version": 2,
                "decision": "anomalous",
                "score": 133.5,
                "threshold": 52.0,
                "p_value": 0.005,
                "source": "crack_000.png",
                "part_id": "A-17",
                "serial": "000123",
                "tags": ["night"],
                "author": "line 1",
                "seconds": 0.02,
                "regions": [{"x": 3, "y": 40, "width": 60, "height": 8, "area_px": 410, "peak": 210.0}],
            }
        }
    )

    id: int
    time: datetime
    detector: str
    version: int
    decision: Outcome
    score: float | None
    threshold: float | None = None
    warn_threshold: float | None = None
    p_value: float | None = None
    score_in_thresholds: float | None = None
    decided_by: Literal["regions", "whole"] | None = None
    explanation: str | None = None
    regions: list[dict[str, float | None]] = []
    map_scale: dict[str, float] | None = None
    ignored_share: float | None = None
    defect_type: str | None = None
    caution: str | None = None
    caution_kinds: list[str] = []
    original_size: dict[str, int] | None = None
    light: dict[str, float] = Field(default={}, description="Of the image as it came, in shares of full scale.")
    view: dict[str, float] | None = Field(default=None, description="What the maps show of it, in its pixels.")
    reason: str | None = None
    source: str
    part_id: str | None
    serial: str | None
    station: str | None
    shift: str | None
    tags: list[str]
    author: str
    seconds: float
    verdict: VerdictSaid | None


class InspectionPage(BaseModel):
    """Inspections, last first; `next` is the cursor of the next page, null on the last."""

    items: list[InspectionFound]
    next: int | None = Field(examples=[4661])


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


class CountsFound(BaseModel):
    """What a shift counts; `defect_types` are those of verdicts, most frequent first, null where none was named."""

    shift: str | None = Field(examples=["early"])
    since: datetime
    decisions: dict[Outcome, int] = Field(examples=[{"normal": 412, "anomalous": 9}])
    yield_share: float | None = Field(examples=[0.9786])
    defect_types: list[tuple[str | None, int]] = Field(examples=[[["crack", 4], [None, 1]]])
    n_to_review: int = Field(examples=[4])

    @classmethod
    def of(cls, counts: Counts) -> "CountsFound":
        """As the API gives them."""
        return cls(**{name: getattr(counts, name) for name in cls.model_fields})


class Health(BaseModel):
    """That the station runs."""

    status: Literal["ok"] = "ok"
    urushi: str = Field(examples=["0.1.0"])


class ChangeFound(BaseModel):
    """A line of the audit trail."""

    id: int
    time: datetime
    author: str = Field(examples=["anna"])
    action: str = Field(examples=["version"])
    subject: str = Field(examples=["part"])
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None


class VerdictAsked(BaseModel):
    """A verdict on an inspection."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"verdict": "ng", "defect_type": "crack", "note": "at the rim"}}
    )

    verdict: VerdictKind
    defect_type: Word | None = None
    note: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_shown)] | None = None


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


class ShareFound(BaseModel):
    """So many of so many, and the 95 % interval of the share; null of none."""

    model_config = ConfigDict(from_attributes=True)

    n: int = Field(examples=[1])
    of: int = Field(examples=[20])
    low: float | None = Field(examples=[0.01])
    high: float | None = Field(examples=[0.24])


class QuantilesFound(BaseModel):
    """The 5 %, 50 % and 95 % quantiles."""

    model_config = ConfigDict(from_attributes=True)

    low: float = Field(examples=[31.0])
    median: float = Field(examples=[40.0])
    high: float = Field(examples=[52.0])


class GroupFound(BaseModel):
    """The inspections of an hour, a day, a shift or a station."""

    model_config = ConfigDict(from_attributes=True)

    name: str | None = Field(description="Of an hour or day its begin, in UTC; null where none was named.")
    decisions: dict[Outcome, int] = Field(examples=[{"normal": 412, "anomalous": 9}])
    yielded: ShareFound = Field(description="Normal, of those that could be read.")
    false_alarms: ShareFound = Field(description="Anomalous, of those with the verdict OK.")
    scores: QuantilesFound | None
    seconds: QuantilesFound | None = Field(description="From decoding to the row on the disk.")


class BeforeAfter(BaseModel):
    """A share by the present threshold, and by the new one."""

    before: ShareFound
    after: ShareFound


class SharesFound(BaseModel):
    """At each threshold so many of the same number, and the 95 % interval of the share; null of none."""

    model_config = ConfigDict(from_attributes=True)

    n: list[int] = Field(examples=[[3, 1, 0]])
    of: int = Field(examples=[20])
    low: list[float | None] = Field(examples=[[0.05, 0.01, 0.0]])
    high: list[float | None] = Field(examples=[[0.36, 0.24, 0.16]])


class WhatIfFound(BaseModel):
    """What each of some thresholds would do, in their order."""

    version: int = Field(examples=[1])
    thresholds: list[float] = Field(examples=[[48.0, 52.0, 56.0]])
    anomalous: SharesFound = Field(description="Of all inspections.")
    escapes: SharesFound = Field(description="Not anomalous, of images with the verdict NG.")
    false_alarms: SharesFound = Field(description="Anomalous, of images with the verdict OK.")
    held_out: SharesFound = Field(description="Anomalous, of good images that the fit has not seen.")
    costs: list[float] | None = Field(description="Per 1,000 parts; null without costs, or without the verdict NG.")

    @classmethod
    def of(cls, found: WhatIf) -> "WhatIfFound":
        """As the API gives it."""
        shares = {
            "anomalous": found.above(found.scores("ok", "ng", "unsure", None)),
            "escapes": found.escapes(),
            "false_alarms": found.above(found.scores("ok")),
            "held_out": found.above(found.held_out),
        }
        return cls(
            version=found.loaded.row.number,
            thresholds=found.thresholds.tolist(),
            costs=found.costs(),
            **{name: SharesFound.model_validate(one) for name, one in shares.items()},
        )


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


Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class VersionAsked(BaseModel):
    """A version of a detector."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"detector": "part", "number": 2}})

    detector: Name
    number: Number


class JobAsked(BaseModel):
    """A detector to fit on good inspections, or to export; good: normal without a verdict, or with the verdict OK.

    Or a version of it to compare `against` another one, on the last inspections: both inspect them again.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"kind": "fit", "detector": "part-2", "source": "part", "reason": "new lamp"}},
    )

    kind: Kind
    detector: Name
    reason: Sentence
    source: Name | None = Field(default=None, description="The detector of the inspections, if it is another one.")
    tag: Word | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    recipe: Word = "default"
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    to: Engine = "onnx"
    teaching: Annotated[str, Field(pattern=f"^{TEACHING_ID}$")] | None = Field(
        default=None, description="The set of images that a fit learns in place of inspections."
    )
    goes_live: bool = Field(default=True, description="Whether what is made decides from then on.")
    area: Area | None = Field(default=None, description="What of every image counts; without it, all of it.")
    version: Number | None = None
    against: VersionAsked | None = None
    is_reviewed: bool | None = Field(
        default=None, description="Of a comparison: only images with a verdict, or without."
    )
    limit: (
        Annotated[int, Field(ge=1, le=MOST_IMAGES, description="Of a comparison: how many images at most.")] | None
    ) = None

    def asked(self) -> Asked:
        """As the jobs take it; raises InputError for a recipe that is none, or can have no area."""
        against = self.against and (self.against.detector, self.against.number)
        return Asked(**dict(self) | {"against": against})


class JobFound(BaseModel):
    """A job as it stands."""

    id: int
    kind: Kind
    detector: str = Field(examples=["part-2"])
    state: State
    message: str | None = Field(examples=["scoring: 40 of 200"])
    share: float | None = Field(examples=[0.2], description="Done of what it is at; null where that is not known.")
    version: int | None = Field(description="The version that it has made.")
    author: str
    created: datetime
    ended: datetime | None
    asked: dict[str, Any]

    @classmethod
    def of(cls, job: Job) -> "JobFound":
        """From its row."""
        names = cls.model_fields.keys() - {"share"}
        return cls(**{name: getattr(job, name) for name in names}, share=share_of(job))

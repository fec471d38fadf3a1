"""Jobs that make detectors or compare them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from urushi.runtime.names import Engine
from urushi.serving.comparisons import MOST_IMAGES
from urushi.serving.jobs import Asked, Kind, State, share_of
from urushi.serving.messages.fields import Name, Number, Sentence, Word
from urushi.serving.tables import Job
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.sets import ID as TEACHING_ID


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

"""Images as they come, and what is found of them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from urushi.serving.history import Outcome, plain
from urushi.serving.messages.fields import VerdictKind, Word, _shown
from urushi.serving.tables import Inspected


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

    @classmethod
    def of(cls, row: Inspected) -> "InspectionFound":
        """From its row, which lacks much where the image could not be read, or was inspected by an older Urushi."""
        return cls.model_validate(plain(row))


class InspectionPage(BaseModel):
    """Inspections, last first; `next` is the cursor of the next page, null on the last."""

    items: list[InspectionFound]
    next: int | None = Field(examples=[4661])


class VerdictAsked(BaseModel):
    """A verdict on an inspection."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"verdict": "ng", "defect_type": "crack", "note": "at the rim"}}
    )

    verdict: VerdictKind
    defect_type: Word | None = None
    note: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_shown)] | None = None

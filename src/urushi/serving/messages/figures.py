"""Counts and shares with their intervals."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from urushi.serving.counts import Counts
from urushi.serving.history import Outcome
from urushi.serving.what_if import WhatIf


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

"""What the API gives of a comparison of two versions."""

from typing import Any

from pydantic import BaseModel, Field

from urushi.serving.comparisons import Compared, Pair, Result, Side
from urushi.serving.history import Outcome
from urushi.serving.messages import ShareFound, VerdictKind


class ResultFound(BaseModel):
    """What a version makes of an image."""

    score: float
    decision: Outcome
    is_learnt: bool = Field(description="The version was fitted on this image.")

    @classmethod
    def of(cls, result: Result) -> "ResultFound":
        """As the API gives it."""
        return cls(**{name: getattr(result, name) for name in cls.model_fields})


class PairFound(BaseModel):
    """An inspection as both versions see it, and its last verdict."""

    id: int
    first: ResultFound
    second: ResultFound
    verdict: VerdictKind | None

    @classmethod
    def of(cls, pair: Pair) -> "PairFound":
        """As the API gives it."""
        both: dict[str, Any] = {"first": ResultFound.of(pair.first), "second": ResultFound.of(pair.second)}
        return cls(id=pair.id, verdict=pair.verdict, **both)  # type: ignore[arg-type]


class SideFound(BaseModel):
    """One of the two versions."""

    detector: str = Field(examples=["part"])
    version: int = Field(examples=[2])
    threshold: float
    milliseconds: float | None = Field(description="The median time of an image, in the process that compares.")
    n_learnt: int = Field(description="How many of the images it was fitted on: its figures are too good by these.")
    false_alarms: ShareFound = Field(description="Anomalous, of those with the verdict OK.")
    escapes: ShareFound = Field(description="Normal, of those with the verdict NG.")

    @classmethod
    def of(cls, side: Side) -> "SideFound":
        """As the API gives it."""
        names = ("detector", "version", "threshold", "milliseconds", "n_learnt")
        shares = {name: ShareFound.model_validate(getattr(side, name)) for name in ("false_alarms", "escapes")}
        return cls(**{name: getattr(side, name) for name in names}, **shares)


class ComparisonFound(BaseModel):
    """Two versions on the same images, with the verdicts of now."""

    sides: tuple[SideFound, SideFound]
    n_asked: int
    n_unreadable: int
    n_gone: int = Field(description="Their files are not kept any more.")
    n_flips: dict[str, int] = Field(examples=[{"normal -> anomalous": 3}])
    pairs: list[PairFound]

    @classmethod
    def of(cls, found: Compared) -> "ComparisonFound":
        """As the API gives it."""
        return cls(
            sides=(SideFound.of(found.sides[0]), SideFound.of(found.sides[1])),
            n_asked=found.n_asked,
            n_unreadable=found.n_unreadable,
            n_gone=found.n_gone,
            n_flips=found.kinds,
            pairs=[PairFound.of(pair) for pair in found.pairs],
        )

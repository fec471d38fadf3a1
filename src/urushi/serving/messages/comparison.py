"""What the API gives of a comparison of two versions."""

from pydantic import BaseModel, ConfigDict, Field

from urushi.serving.comparisons import Compared
from urushi.serving.history import Outcome
from urushi.serving.messages.fields import VerdictKind
from urushi.serving.messages.figures import ShareFound


class ResultFound(BaseModel):
    """What a version makes of an image."""

    model_config = ConfigDict(from_attributes=True)

    score: float
    decision: Outcome
    is_learnt: bool = Field(description="The version was fitted on this image.")


class PairFound(BaseModel):
    """An inspection as both versions see it, and its last verdict."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    first: ResultFound
    second: ResultFound
    verdict: VerdictKind | None


class SideFound(BaseModel):
    """One of the two versions."""

    model_config = ConfigDict(from_attributes=True)

    detector: str = Field(examples=["part"])
    version: int = Field(examples=[2])
    threshold: float
    milliseconds: float | None = Field(description="The median time of an image, in the process that compares.")
    n_learnt: int = Field(description="How many of the images it was fitted on: its figures are too good by these.")
    false_alarms: ShareFound = Field(description="Anomalous, of those with the verdict OK.")
    escapes: ShareFound = Field(description="Normal, of those with the verdict NG.")


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
            sides=(SideFound.model_validate(found.sides[0]), SideFound.model_validate(found.sides[1])),
            n_asked=found.n_asked,
            n_unreadable=found.n_unreadable,
            n_gone=found.n_gone,
            n_flips=found.kinds,
            pairs=[PairFound.model_validate(pair) for pair in found.pairs],
        )

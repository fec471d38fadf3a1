"""What one run has measured: a score per test image and held-out normal, and all that is needed to find it again.

A run that gave nothing leaves, in the same place, why.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from urushi import atomic_file
from urushi.catalogue import options
from urushi.errors import InputError

FORMAT = 1
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


@dataclass(frozen=True)
class _OfRun:
    """What tells the file of a run from others, and how it is written and read."""

    format: int
    key: str
    data: str
    method: str
    value: int | float | str | None
    seed: int

    def save(self, path: Path) -> None:
        """Writes it whole or not at all; raises InputError."""
        text = json.dumps(asdict(self), allow_nan=False, separators=(",", ":"))
        try:
            atomic_file.replace(path, text.encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, path: Path, key: str) -> Self | None:
        """What `save` wrote for this key; None if there is none, or one of another key or format."""
        found = cls.read(path)
        return found if found and found.key == key else None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What was written of whatever images; None if there is none, or one of another format."""
        try:
            found: Self = options.adapter(cls).validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.format == FORMAT and found._is_whole() else None

    def _is_whole(self) -> bool:
        return True


@dataclass(frozen=True)
class Record(_OfRun):
    """The test images of a run in columns, and the scores of its held-out normals."""

    sources: list[str]  # relative to the data set
    kinds: list[str]  # of each image: good, or the kind of its defect
    luminances: list[_Number]  # of each image as the model saw it, in [0, 1]
    errors: list[_Number] | None  # mean squared error of each image; None where the method rebuilds no pixels
    scores: dict[str, list[_Number]]  # by score, of each image
    held_out: dict[str, list[_Number]]  # by score, of the held-out normals
    method_of_holding_out: str
    unreadable: list[str]
    losses: dict[str, dict[int, float]]  # by name and epoch; empty for methods in closed form
    facts: dict[str, Any]  # of the fit
    environment: dict[str, Any]
    groups: list[str] = field(default_factory=list)  # of each image, what stands for its product; none: unknown
    held_out_groups: list[str] = field(default_factory=list)  # of the held-out normals
    pixel: dict[str, dict[str, Any]] | None = None  # figures of pixels by the first score; None: see pixel_reason
    pixel_reason: str | None = None  # why there are none

    def _is_whole(self) -> bool:
        columns: list[list[Any]] = [self.sources, self.luminances, *self.scores.values()]
        is_whole = {len(column) for column in columns} == {len(self.kinds)}
        return is_whole and len(self.groups) in (0, len(self.kinds))


@dataclass(frozen=True)
class Failure(_OfRun):
    """Why a run gave no record: it failed, or it was stopped when its time was used up."""

    state: Literal["failed", "stopped"]
    reason: str
    seconds: _Number
    budget_seconds: _Number | None

    def is_final(self, budget_seconds: float | None) -> bool:
        """Whether trying again within this budget can't do better; what failed may have been mended meanwhile."""
        if self.state == "failed" or budget_seconds is None or self.budget_seconds is None:
            return False
        return budget_seconds <= self.budget_seconds

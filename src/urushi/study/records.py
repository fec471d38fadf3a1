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
class Record:
    """The test images of a run in columns, and the scores of its held-out normals."""

    format: int
    key: str
    data: str
    method: str
    value: int | float | str | None
    seed: int
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

    def save(self, path: Path) -> None:
        """Writes the record whole or not at all; raises InputError."""
        _write(path, self)

    @classmethod
    def load(cls, path: Path, key: str) -> "Record | None":
        """The record that `save` wrote for this key; None if there is none, or one of another key or format."""
        found = cls.read(path)
        return found if found and found.key == key else None

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """A record of whatever images; None if there is none, or one of another format."""
        try:
            found: Record = options.adapter(cls).validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        columns: list[list[Any]] = [found.sources, found.luminances, *found.scores.values()]
        is_whole = {len(column) for column in columns} == {len(found.kinds)}
        is_whole = is_whole and len(found.groups) in (0, len(found.kinds))
        return found if is_whole and found.format == FORMAT else None


@dataclass(frozen=True)
class Failure:
    """Why a run gave no record: it failed, or it was stopped when its time was used up."""

    format: int
    key: str
    data: str
    method: str
    value: int | float | str | None
    seed: int
    state: Literal["failed", "stopped"]
    reason: str
    seconds: _Number
    budget_seconds: _Number | None

    def save(self, path: Path) -> None:
        """Writes it where the record would be, whole or not at all; raises InputError."""
        _write(path, self)

    @classmethod
    def load(cls, path: Path, key: str) -> Self | None:
        """What `save` wrote for this key; None if there is none."""
        try:
            found: Self = options.adapter(cls).validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        return found if (found.key, found.format) == (key, FORMAT) else None

    def is_final(self, budget_seconds: float | None) -> bool:
        """Whether trying again within this budget can't do better; what failed may have been mended meanwhile."""
        if self.state == "failed" or budget_seconds is None or self.budget_seconds is None:
            return False
        return budget_seconds <= self.budget_seconds


def _write(path: Path, found: Record | Failure) -> None:
    text = json.dumps(asdict(found), allow_nan=False, separators=(",", ":"))
    try:
        atomic_file.replace(path, text.encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None

"""How bright an image gets in shares of what its type can hold: what tells one bit depth from another."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter

_FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
_FACTOR = 4  # two bits; light alone seldom changes the brightest pixel of a part by as much
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


@dataclass(frozen=True)
class Levels:
    """The brightest pixel of one decoded image."""

    kind: str  # uint8, uint16 or float32
    highest: float  # in shares of full scale

    @classmethod
    def of(cls, image: np.ndarray) -> "Levels":
        """That of (H, W) or (H, W, 3) of uint8, uint16 or float32."""
        kind = str(image.dtype)
        return cls(kind, float(image.max()) / _FULL_SCALES[kind])

    def __str__(self) -> str:
        full = _FULL_SCALES[self.kind]
        return f"{self.highest:g}" if full == 1 else f"{self.highest * full:.0f} of {full:.0f}"


@dataclass(frozen=True)
class LearntLevels:
    """At what bit depth a detector was fitted, as far as that was stated and can be seen."""

    bits: Annotated[int, Field(ge=1, le=16, strict=True)] | None = None  # as stated
    seen: Mapping[str, tuple[_Number, _Number]] = field(default_factory=dict)  # kind -> lowest and highest brightest

    @classmethod
    def of(cls, images: Iterable[Levels], bits: int | None) -> "LearntLevels":
        """Those of some good images of a fit, decoded as was stated."""
        found: dict[str, list[float]] = {}
        for levels in images:
            found.setdefault(levels.kind, []).append(levels.highest)
        return cls(bits, {kind: (min(values), max(values)) for kind, values in sorted(found.items())})

    def doubt(self, found: Levels) -> str | None:
        """Why an image may be of another bit depth than the good images, or None.

        Between images of 8 bits there is no such doubt: one is dark, or it is not.
        """
        if not self.seen or (found.kind == "uint8" and "uint8" in self.seen):
            return None
        ranges = [self.seen[found.kind]] if found.kind in self.seen else list(self.seen.values())
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        if low <= 0 or low / _FACTOR < found.highest < high * _FACTOR:
            return None
        return (
            f"Its highest level is {found}, {found.highest:.1%} of full scale, that of good images {low:.1%} … "
            f"{high:.1%}: is it of another bit depth? --bits (bits= in Python) says so."
        )

    @property
    def note(self) -> str | None:
        """What makes the good images themselves doubtful, or None."""
        _, high = self.seen.get("uint16", (0.0, 1.0))
        if high > 1 / _FACTOR or not high:
            return None
        n_bits = int(np.ceil(np.log2(high * _FULL_SCALES["uint16"] + 1)))
        return (
            f"the levels of the 16-bit images reach {Levels('uint16', high)} only, which is nearly black: if they have "
            f"{n_bits} bits, say so with --bits {n_bits} (bits={n_bits} in Python)"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for the card."""
        return asdict(self)

    @classmethod
    def from_json(cls, table: object) -> "LearntLevels":
        """The inverse of `to_json`; raises ValueError if it is damaged. Nothing is known of an older file."""
        return TypeAdapter(cls).validate_python({} if table is None else table)

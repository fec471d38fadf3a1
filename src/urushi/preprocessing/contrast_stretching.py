"""Grey levels through a piecewise linear curve (S2 §5.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.errors import RecipeError
from urushi.preprocessing._levels import apply_curve
from urushi.preprocessing.base import Image, Step

Knots = Sequence[Sequence[float]]  # pairs (r, s): level before and after, 0…255


def contrast_stretching(image: Image, knots: Knots) -> Image:
    """Straight lines through (r, s) in 0…255, and through (0, 0) and (255, 255) where no knot is there (S2 eq. 5.1).

    Two knots at the same r are a step: r itself takes the lower s, all above r the higher. Raises RecipeError if a
    knot is no pair of levels or if r or s falls, UnreadableImageError if a float image leaves [0, 1].
    """
    r, s = _with_ends(knots).T / 255
    # Of two knots at the same place np.interp takes the right one, eq. 5.1 the left one: hence the mirrored axis.
    return apply_curve(image, lambda levels: np.interp(-levels, -r[::-1], s[::-1]))


@dataclass(frozen=True, kw_only=True)
class ContrastStretching(Step):
    """Spends the range of grey levels on those that matter."""

    knots: Annotated[
        Knots,
        Field(min_length=1, description="[level before, level after], 0…255; starts at [0, 0], ends at [255, 255]"),
    ]

    def __post_init__(self) -> None:
        _with_ends(self.knots)

    def apply(self, image: Image) -> Image:
        return contrast_stretching(image, self.knots)


def _with_ends(knots: Knots) -> np.ndarray:
    """(n, 2), checked; raises RecipeError."""
    if any(len(knot) != 2 or not all(0 <= level <= 255 for level in knot) for knot in knots):
        raise _refused(knots, "each one is a pair [level before, level after] in 0…255")
    start = [] if any(r == 0 for r, _ in knots) else [(0, 0)]
    end = [] if any(r == 255 for r, _ in knots) else [(255, 255)]
    line = np.array([*start, *knots, *end], np.float64)
    if (np.diff(line, axis=0) < 0).any():
        raise _refused(knots, "neither level may fall from one knot to the next; sort them, dark to bright")
    return line


def _refused(knots: Knots, reason: str) -> RecipeError:
    return RecipeError(f"preprocessing.contrast_stretching.knots = {[list(knot) for knot in knots]}: {reason}")

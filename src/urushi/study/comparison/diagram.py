"""The critical-difference diagram: recipes by mean rank, one below the other, and bars over those not told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _LEFT, _ROW, _TOP = 360, 8, 34, 58  # px of the drawing, which scales
_BAR = 12  # between bars


@dataclass(frozen=True)
class Mark:
    """One recipe: its name stands above its line."""

    name: str
    rank: float
    x: float
    y: float


@dataclass(frozen=True)
class Diagram:
    """Where everything lies, in px of a drawing of `width` × `height`."""

    width: int
    height: int
    left: int
    right: float
    ticks: tuple[tuple[int, float], ...]  # rank, x
    ruler: tuple[float, float]  # the critical difference as a length from the left end
    critical_difference: float
    marks: tuple[Mark, ...]
    bars: tuple[tuple[float, float, float], ...]  # x, y from, y to


def diagram(ranks: Mapping[str, float], cliques: Sequence[tuple[int, int]], critical_difference: float) -> Diagram:
    """From mean ranks in ascending order."""
    n = len(ranks)
    right = _WIDTH - _LEFT - _BAR * (len(cliques) + 1)

    def x(rank: float) -> float:
        return round(_LEFT + (rank - 1) / max(n - 1, 1) * (right - _LEFT), 1)

    marks = tuple(
        Mark(name, rank, x(rank), _TOP + _ROW * (place + 1)) for place, (name, rank) in enumerate(ranks.items())
    )
    bars = tuple((right + _BAR * (place + 1), marks[a].y - 14, marks[b].y + 3) for place, (a, b) in enumerate(cliques))
    step = max(1, round(n / 8))
    ruler = (_LEFT, min(x(1 + critical_difference), float(_WIDTH - _LEFT)))
    ticks = tuple((rank, x(rank)) for rank in range(1, n + 1, step))
    return Diagram(_WIDTH, _TOP + _ROW * n + 14, _LEFT, right, ticks, ruler, critical_difference, marks, bars)

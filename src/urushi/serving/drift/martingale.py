"""Whether the values of one statistic still come in an order that says nothing, by bets on conformal p-values.

Each value has a p-value among all values before it, ties broken by chance. While nothing changes, these are independent
and uniform, exactly and whatever the number of values: those of a reference are the beginning of the sequence, no fixed
set to compare with (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2nd ed., ch. 8). A bet f with
∫f = 1 then multiplies what is staked by 1 on average. The sum over all starts of a change, R_n = (1 + R_{n−1}) f(p_n),
is that of Shiryaev and Roberts: R_n − n is a martingale, so R reaches A within n values with probability n/A at most
(Vovk et al., *Retrain or not retrain: conformal test martingales for change-point detection*, 2021).
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

Way = Literal["up", "down", "apart"]
_WAYS: tuple[Way, ...] = ("up", "down", "apart")
_EXPONENTS = (0.2, 0.4, 0.7)  # of the bets ε p^(ε−1): for what changes much, and for what changes little
_LEAST = 1e-12  # of a p-value, which has no 0


class Spread(NamedTuple):
    """Of some values."""

    low: float  # a quarter lies below
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        return cls(*np.quantile(list(values), [0.25, 0.5, 0.75]).tolist())


class Martingale:
    """The test of one statistic: a reference, and the values that came since."""

    def __init__(self, reference: Iterable[float] = ()) -> None:
        self.reference, self.values = list(reference), list[float]()
        self._sorted = sorted(self.reference)
        n_bets = len(_WAYS) * len(_EXPONENTS)
        self._sums, self._gains, self._starts = [0.0] * n_bets, [0.0] * n_bets, [0] * n_bets

    def add(self, value: float, chance: float) -> None:
        """One more value; `chance`, uniform in [0, 1) and independent of all values, breaks ties."""
        self.values.append(value)
        for number, bet in enumerate(_bets(self._p_value(value, chance))):
            self._sums[number] = (1 + self._sums[number]) * bet
            self._gains[number] = max(self._gains[number] + math.log(bet), 0.0)
            if self._gains[number] == 0:
                self._starts[number] = len(self.values)
        insort(self._sorted, value)

    @property
    def evidence(self) -> float:
        """The mean of all sums: within n values it reaches A with probability n/A at most while nothing changes."""
        return sum(self._sums) / len(self._sums)

    @property
    def way(self) -> Way:
        """How the values have changed, if they have: by the bet that has won most."""
        return _WAYS[self._best // len(_EXPONENTS)]

    @property
    def changed(self) -> list[float]:
        """The values since the likeliest start of a change, all of them where there is none."""
        return self.values[self._starts[self._best] :] or self.values

    @property
    def _best(self) -> int:
        """The bet that has won most, the first of equal ones."""
        return self._sums.index(max(self._sums))

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        bets = {"sums": self._sums, "gains": self._gains, "starts": self._starts}
        return {"reference": self.reference, "values": self.values, **bets}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Martingale":
        """As it was."""
        found = cls(data["reference"])
        found.values, found._sorted = list(data["values"]), sorted([*data["reference"], *data["values"]])
        found._sums, found._gains, found._starts = (list(data[name]) for name in ("sums", "gains", "starts"))
        return found

    def _p_value(self, value: float, chance: float) -> float:
        """The share of values that are as high, of those before and this one; small for a high value."""
        left, right, n = bisect_left(self._sorted, value), bisect_right(self._sorted, value), len(self._sorted)
        return (n - right + (1 - chance) * (right - left + 1)) / (n + 1)


def _bets(p: float) -> list[float]:
    """What each bet makes of a stake of 1; nine numbers are too few for arrays to pay."""
    up, down = ([e * max(side, _LEAST) ** (e - 1) for e in _EXPONENTS] for side in (p, 1 - p))
    return [*up, *down, *((one + other) / 2 for one, other in zip(up, down, strict=True))]

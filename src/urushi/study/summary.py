"""Means over repeats with their standard errors (S2 §6.3.5)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation import MeanError, mean_and_standard_error
from urushi.study.drawing import Measured

FloatArray = NDArray[np.float64]
Place = tuple[str, str, Any, str, str, float | None]  # data, method, value, score, rule, ratio


@dataclass(frozen=True)
class Summary:
    """Every figure of every place; the standard error is over repeats, or over drawn test sets where there is one."""

    values: dict[Place, dict[str, FloatArray]]  # (n,) of each repeat, or of each test set
    n_repeats: int
    by_repeat: dict[Place, dict[int, dict[str, float]]]  # the mean over the test sets of each repeat, by its seed

    @classmethod
    def of(cls, measured: Iterable[Measured]) -> "Summary":
        """From all test sets; a figure that is undefined in any of them is left out."""
        values: dict[Place, dict[int, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
        for one in measured:
            place = (one.data, one.method, one.value, one.score, one.rule, one.ratio)
            values[place][one.seed].append(one.figures)
        n_repeats = max((len(by_seed) for by_seed in values.values()), default=0)
        by_repeat = {place: {seed: _means(d) for seed, d in by_seed.items()} for place, by_seed in values.items()}
        return cls({place: dict(_units(by_seed)) for place, by_seed in values.items()}, n_repeats, by_repeat)

    def at(self, place: Place, figure: str) -> MeanError | None:
        """One figure; None where it was not measured, or is undefined."""
        found = self.values.get(place, {}).get(figure)
        return None if found is None else mean_and_standard_error(found)


def _means(draws: list[dict[str, float]]) -> dict[str, float]:
    """Over test sets; NaN where a figure is undefined in one of them."""
    return {name: float(np.mean([figures.get(name, np.nan) for figures in draws])) for name in draws[0]}


def _units(by_seed: dict[int, list[dict[str, float]]]) -> Iterable[tuple[str, FloatArray]]:
    for name in next(iter(by_seed.values()))[0]:
        repeats = [np.array([figures.get(name, np.nan) for figures in draws]) for draws in by_seed.values()]
        values = repeats[0] if len(repeats) == 1 else np.array([draws.mean() for draws in repeats])
        if np.isfinite(values).all():
            yield name, values

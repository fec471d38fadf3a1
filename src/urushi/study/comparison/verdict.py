"""Which recipe is better, and whether that is real: ranks over data sets, and differences on the same images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from urushi.evaluation import significance
from urushi.evaluation.intervals import FloatArray
from urushi.evaluation.significance import Difference, Friedman
from urushi.study.comparison.figures import Cell, first_scores, labels_of
from urushi.study.records import Record

_SEED = 0


@dataclass(frozen=True)
class Pair:
    """How far the ROC-AUC of one recipe lies above another's, on average over the data sets that both have."""

    first: str
    second: str
    found: Difference
    corrected_p: float  # by Holm, for all pairs
    data: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """Mean ranks of the recipes that every data set has, the best first; and each pair."""

    ranks: Mapping[str, float]
    left_out: tuple[str, ...]  # recipes that some data set lacks
    friedman: Friedman | None
    reason: str  # why there is no test over data sets; empty where there is one
    pairs: tuple[Pair, ...]

    @property
    def cliques(self) -> list[tuple[int, int]]:
        """The first and last place of recipes, in the order of their ranks, that Nemenyi's test does not tell apart."""
        if self.friedman is None:
            return []
        return significance.cliques(list(self.ranks.values()), self.friedman.critical_difference)


def verdict(cells: Sequence[Cell], records: Sequence[Record]) -> Verdict:
    """Of all recipes on all data sets."""
    data = list(dict.fromkeys(one.data for one in cells))
    recipes = list(dict.fromkeys(one.recipe for one in cells))
    values = {(one.recipe, one.data): one.figures["roc_auc"].value for one in cells if one.figures}
    whole = [one for one in recipes if all(values.get((one, name)) is not None for name in data)]
    table = np.array([[values[one, name] for one in whole] for name in data], dtype=np.float64)
    tested = significance.friedman(table) if whole else None
    mean_ranks = significance.ranks(table).mean(axis=0).tolist() if whole else []
    ranks = dict(sorted(zip(whole, mean_ranks, strict=True), key=lambda one: one[1]))
    left_out = tuple(one for one in recipes if one not in whole)
    return Verdict(ranks, left_out, tested, _why_none(len(data), len(whole), tested), tuple(_pairs(recipes, records)))


def _why_none(n_data: int, n_recipes: int, tested: Friedman | None) -> str:
    if tested is not None:
        return ""
    return (
        f"Friedman's test over data sets needs at least three recipes and two data sets; there are {n_recipes} recipes "
        f"that were measured on all of {n_data}."
    )


def _pairs(recipes: Sequence[str], records: Sequence[Record]) -> Iterator[Pair]:
    """All of them on the same resampled images."""
    drawn = {place: found for name in _data(records) for place, found in _draws(name, records).items()}
    pairs = [
        (*two, tuple(name for name in _data(records) if all((one, name) in drawn for one in two)))
        for two in combinations(recipes, 2)
    ]
    pairs = [one for one in pairs if one[2]]
    found = [_difference(drawn, *one) for one in pairs]
    corrected = significance.holm([one.p_value for one in found])
    for (first, second, data), one, p in zip(pairs, found, corrected, strict=True):
        yield Pair(first, second, one, p, data)


_Drawn = Mapping[tuple[str, str], tuple[float, FloatArray]]  # by recipe and data set: ROC-AUC, and (R,) resampled


def _difference(drawn: _Drawn, first: str, second: str, data: Sequence[str]) -> Difference:
    values = [drawn[first, name][0] - drawn[second, name][0] for name in data]
    draws = [drawn[first, name][1] - drawn[second, name][1] for name in data]
    return significance.difference(float(np.mean(values)), np.mean(draws, axis=0))


def _draws(data: str, records: Sequence[Record]) -> _Drawn:
    """Of each recipe on one data set, on the images that all of them could read."""
    own = [one for one in records if one.data == data]
    common = set.intersection(*(set(one.sources) for one in own))
    found = {}
    for recipe in dict.fromkeys(one.method for one in own):
        repeats = [one for one in own if one.method == recipe]
        kept = [[one.sources.index(source) for source in sorted(common)] for one in repeats]
        scores = np.array([first_scores(one)[places] for one, places in zip(repeats, kept, strict=True)])
        labels = labels_of(repeats[0])[kept[0]]
        units = [repeats[0].groups[place] for place in kept[0]] if repeats[0].groups else None
        found[recipe, data] = significance.roc_auc_draws(scores, labels, units, seed=_SEED)
    return found


def _data(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(one.data for one in records))

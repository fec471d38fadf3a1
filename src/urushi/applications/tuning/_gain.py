"""How far other options are better than a recipe's own, image by image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.applications.tuning._trial import job
from urushi.data.groups import groups_of
from urushi.errors import InputError
from urushi.evaluation.significance import N_RESAMPLES, Difference, difference
from urushi.jobs import Engine
from urushi.recipe import Recipe

if TYPE_CHECKING:
    from urushi.fitting.model_selection import Tried

_FRESH = (100, 101, 102)  # seeds of splits that have chosen nothing


def gain(
    sources: Sequence[Path], recipe: Recipe, settings: Mapping[str, Any], engine: Engine, budget: float | None
) -> Difference:
    """Of a recipe with these settings over the same without; raises InputError if either cannot be tried."""
    both = {f"{kind} {seed}": (changed, seed) for seed in _FRESH for kind, changed in (("own", {}), ("new", settings))}
    jobs = [job(name, sources, recipe, *how, budget) for name, how in both.items()]
    found = {one.name: outcome for one, outcome in engine.run(jobs, lambda _: None)}
    if bad := [one.reason for one in found.values() if one.state != "done"]:
        raise InputError(f"what was found cannot be confirmed: {bad[0]}")
    pairs = [(found[f"new {seed}"].value, found[f"own {seed}"].value) for seed in _FRESH]
    return gain_of(pairs, groups_of(list(sources), recipe.groups) or range(len(sources)))


def gain_of(pairs: "Sequence[tuple[Tried, Tried]]", products: Sequence[Any]) -> Difference:
    """How far the first of each pair lies above the second in ROC-AUC, with the interval over products.

    Each split holds out some of the images: products are drawn once for all splits, so that an image that several of
    them hold out counts as one.
    """
    member = np.unique(np.array(products), return_inverse=True)[1]
    n, rng = int(member.max()) + 1, np.random.default_rng(0)
    apart = [(member[one.places], one.above - other.above) for one, other in pairs]
    draws = []
    for _ in range(N_RESAMPLES):
        weights = np.bincount(rng.integers(n, size=n), minlength=n).astype(float)
        draws.append(np.mean([_weighted(weights[own], found) for own, found in apart]))
    return difference(float(np.mean([found.mean() for _, found in apart])), np.array(draws))


def _weighted(weights: np.ndarray, found: np.ndarray) -> float:
    """The mean of (n, n) with images as often as they were drawn; 0 where none was."""
    total = weights.sum()
    return float(weights @ found @ weights / total**2) if total else 0.0

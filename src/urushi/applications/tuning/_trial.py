"""What a trial may change, and the job that tries it on one split."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urushi import catalogue
from urushi.catalogue.ranges import Values, ranges
from urushi.errors import InputError
from urushi.jobs import Job
from urushi.recipe import Part, Recipe

if TYPE_CHECKING:
    from urushi.fitting.model_selection import Tried

PRELOAD = ("urushi.fitting.model_selection",)  # what every job needs


def space(recipe: Recipe, over: Sequence[str] = ()) -> dict[str, Values]:
    """The values of what is tuned, by the names of settings; `over` names them if not all are.

    Raises InputError for a setting that is none of them, and if there is none at all.
    """
    from urushi.models.base import Reconstructor
    from urushi.scoring.base import Score

    model, score = (("urushi.models", Reconstructor), ("urushi.scoring", Score))
    found = {f"model.{n}": values for n, values in _of_part(recipe.model, *model).items()}
    found |= {f"score.{n}": values for n, values in _of_part(recipe.score, *score).items()}
    if not found:
        raise InputError(f"the method {recipe.model.name} has no options with values to choose from")
    if unknown := [name for name in over if name not in found]:
        raise InputError(f"{unknown[0]} cannot be tuned; what can be: {', '.join(found)}")
    return {name: found[name] for name in over or found}


def _of_part(part: Part, room: str, base: type) -> dict[str, Values]:
    return ranges(catalogue.load(room, part.name, base), part.options)


def job(
    name: str, sources: Sequence[Path], recipe: Recipe, settings: Mapping[str, Any], seed: int, budget: float | None
) -> Job:
    """A recipe with these settings, tried on one split of the images."""
    return Job(name, partial(_tried, list(sources), recipe, dict(settings), seed), budget)


def _tried(sources: list[Path], recipe: Recipe, settings: Mapping[str, Any], seed: int) -> "Tried":
    from urushi.fitting.model_selection import tried

    return tried("", sources, recipe.with_settings(settings), seed)

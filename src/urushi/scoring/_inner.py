"""Scores that other scores are made of."""

from urushi import catalogue
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Space
from urushi.recipe import Part
from urushi.scoring.base import Score


def build_inner(part: Part, space: Space, place: str, problem: str) -> Score:
    """The score that stands at a place of a recipe; raises RecipeError with the problem if it learns by itself."""
    cls = catalogue.load("urushi.scoring", part.name, Score)
    if cls.learns:
        raise RecipeError(f"{place}: {part.name} {problem}")
    return options.build(cls, part.options, place, space)

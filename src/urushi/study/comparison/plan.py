"""A study from the arguments of a command: recipes as they are, on folders or all data sets in them."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from urushi.errors import InputError
from urushi.recipe import Recipe
from urushi.study.plan import Data, Method, Study

_LONGEST_NAME = 60
_TITLE = "Comparison of recipes"


def planned(places: Sequence[Path], recipes: Sequence[str], repeats: int) -> Study:
    """Every recipe on every data set, `repeats` times; raises RecipeError, InputError."""
    for recipe in recipes:
        Recipe.find(recipe)
    if twice := [name for name, n in Counter(recipes).items() if n > 1]:
        raise InputError(f"the recipe {twice[0]} is given twice; once is enough, and --repeats fits it several times")
    data = [Data(name=name, folder=str(place.resolve())) for name, place in _named(places).items()]
    methods = [Method(name=_plain(Path(one).stem), recipe=one) for one in recipes]
    return Study(title=_TITLE, data=tuple(data), methods=tuple(methods), repeats=repeats)


def _named(places: Sequence[Path]) -> dict[str, Path]:
    """By the names of the folders, and of those above them where two are the same."""
    found: dict[str, Path] = {}
    for place in places:
        whole = place.resolve()
        names = (_plain(" ".join(whole.parts[-n:])) for n in range(1, len(whole.parts) + 1))
        name = next((one for one in names if one not in found), None)
        if name is None or whole in (other.resolve() for other in found.values()):
            raise InputError(f"the data set {place} is given twice; once is enough")
        found[name] = place
    return found


def _plain(name: str) -> str:
    """As it may stand in the names of files."""
    return re.sub(r"[^\w .+-]", "_", name)[-_LONGEST_NAME:] or "data"

"""Recipes in files: the shipped ones by name, others by path; a recipe may begin with another, its `base`."""

import os.path
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from urushi.catalogue.entries import nearest
from urushi.errors import RecipeError

Table = dict[str, Any]
_DEEPEST = 20  # levels of tables and lists; recipes have four
_TOO_DEEP = f"tables and lists stand in one another more than {_DEEPEST} deep; no recipe needs that"


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes that come with Urushi, sorted."""
    files = resources.files("urushi.recipes").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def read_recipe(name_or_path: str) -> Table:
    """What a recipe and its base say together; a path is recognised by its ending .toml. Raises RecipeError."""
    return _read(name_or_path, ())


def parse_toml(text: str, origin: str) -> Table:
    """What one TOML says; raises RecipeError with the line where it is broken, or where it nests beyond all use."""
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise RecipeError(f"{origin}: {_TOO_DEEP}") from None
    except ValueError as error:  # TOML that is broken, or a number of thousands of digits
        raise RecipeError(f"{origin}: not valid TOML: {error}") from None
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        level = [item for one in level for item in _items(one)]
    if level:
        raise RecipeError(f"{origin}: {_TOO_DEEP}")
    return table


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _read(place: str, above: tuple[str, ...]) -> Table:
    """`above`: the recipes that begin with this one, the one that was asked for first."""
    if place in above:
        raise RecipeError(f"{above[0]}: base: {' → '.join([*above, place])} goes round in a circle; take one base out")
    table = parse_toml(_text(place, f"{above[-1]}: base: " if above else ""), place)
    if "base" not in table:
        return table
    base = table.pop("base")
    if not isinstance(base, str):
        raise RecipeError(f'{place}: base = {base!r}: give the name or the path of a recipe, such as base = "default"')
    return _over(_read(_seen_from(place, base), (*above, place)), table)


def _text(place: str, asker: str) -> str:
    if not place.endswith(".toml"):
        if place not in recipe_names():
            tail = f"{nearest(place, recipe_names())} Or give a path to a .toml."
            raise RecipeError(f"{asker}no recipe is called {place!r}{tail}")
        return (resources.files("urushi.recipes") / f"{place}.toml").read_text(encoding="utf-8")
    try:
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{asker}{place}: cannot be read as a recipe: {error}") from None


def _seen_from(place: str, base: str) -> str:
    """A path is one from the folder of the file that it stands in."""
    return os.path.normpath(Path(place).parent / base) if base.endswith(".toml") else base


def _over(base: Table, table: Table) -> Table:
    """Key by key; lists, single values and parts of another name take the place of what the base has."""
    merged = {key: _over(base[key], own) if _goes_on(base.get(key), own) else own for key, own in table.items()}
    return base | merged


def _goes_on(base: Any, own: Any) -> bool:
    """Whether both are tables, and of the same part if they are parts."""
    are_tables = isinstance(base, dict) and isinstance(own, dict)
    return are_tables and own.get("name", base.get("name")) == base.get("name")

"""Finds what there is: one public module in a room is one entry, and other packages add theirs by entry points.

A room (`urushi.models`, `urushi.scoring`, …) is its own catalogue: no registry, no list to edit. The entry's name is
its module's name; modules whose names start with an underscore, `base` and folders are not entries. Listing names
imports nothing, so that the command line stays fast.
"""

import ast
import difflib
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from urushi.errors import RecipeError

T = TypeVar("T")


@cache
def names(room: str) -> tuple[str, ...]:
    """The names of all entries of a room (e.g. "urushi.models"), sorted, without importing any of them."""
    return tuple(sorted(_own(room) | {point.name for point in _strangers(room)}))


def load(room: str, name: str, base: type[T]) -> type[T]:
    """The class behind a name; raises RecipeError with the nearest valid name if there is none."""
    if name in _own(room):  # a stranger's entry point cannot take the place of what is here
        return _only_class(importlib.import_module(f"{room}.{name}"), base)
    return _checked(_stranger(room, name).load(), base, name)


def opening(room: str, name: str) -> str:
    """The docstring of an entry's module, of what is here without importing it; raises RecipeError as `load` does."""
    if name not in _own(room):
        module = inspect.getmodule(_stranger(room, name).load())
        return inspect.getdoc(module) or ""
    path = _folders(room)[0] / f"{name}.py"
    text = path.read_text("utf-8") if path.is_file() else None  # a frozen program has no sources
    return (ast.get_docstring(ast.parse(text)) if text else importlib.import_module(f"{room}.{name}").__doc__) or ""


def _own(room: str) -> frozenset[str]:
    return _modules(_folders(room))


@cache  # of these folders: another one may join a room
def _modules(folders: tuple[Path, ...]) -> frozenset[str]:
    modules = pkgutil.iter_modules(map(str, folders))
    return frozenset(m.name for m in modules if not m.ispkg and not m.name.startswith("_") and m.name != "base")


def _folders(room: str) -> tuple[Path, ...]:
    package = importlib.util.find_spec(room)
    return tuple(map(Path, (package and package.submodule_search_locations) or ()))


def _stranger(room: str, name: str) -> Any:
    if name not in names(room):
        raise RecipeError(f"{room.rpartition('.')[2]} has no {name!r}{nearest(name, names(room))}")
    return next(point for point in _strangers(room) if point.name == name)


def _strangers(room: str) -> Iterable[Any]:
    """Entry points of other packages; to search all that is installed for them takes time, so it is done last."""
    from importlib.metadata import entry_points

    return entry_points(group=room)


def nearest(word: str, allowed: tuple[str, ...]) -> str:
    """The tail of an error message: the closest allowed word, and all of them."""
    close = difflib.get_close_matches(word, allowed, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} There is: {', '.join(allowed) or 'nothing'}."


def _only_class(module: ModuleType, base: type[T]) -> type[T]:
    classes = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__ and issubclass(c, base) and not c.__name__.startswith("_")
    ]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must define exactly one {base.__name__}, it defines {len(classes)}")
    return classes[0]


def _checked(found: object, base: type[T], name: str) -> type[T]:
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise TypeError(f"the entry point {name!r} gives {found!r}, which is no {base.__name__}")
    return found

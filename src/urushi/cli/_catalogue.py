"""Tables of what there is, made from the classes themselves."""

import inspect
import sys

from urushi import catalogue
from urushi.catalogue import options
from urushi.cli import _console


def show_all(room: str, base: type, what: str) -> None:
    """Every entry of a room with the first sentence of its module."""
    rows = ((name, _about(catalogue.load(room, name, base)).split("\n")[0]) for name in catalogue.names(room))
    _console.table((what, "what it is"), rows)


def show_one(room: str, name: str, base: type, section: str) -> None:
    """One entry with all its options: name, type, default, meaning."""
    cls: type = catalogue.load(room, name, base)
    print(_about(cls) + "\n\n" + inspect.cleandoc(cls.__doc__ or "") + "\n")
    rows = [(o.name, o.type, "" if o.is_required else o.default, o.description) for o in options.describe(cls)]
    _console.table(("option", "type", "default", "meaning"), rows)
    print(f"set them with --set {section}.OPTION=VALUE, or in a recipe")


def _about(cls: type) -> str:
    """The opening words of the class's module."""
    return (sys.modules[cls.__module__].__doc__ or "").strip()

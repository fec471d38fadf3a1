"""What a shell offers while a command is typed; nothing heavy is imported, for each key press starts the program."""

import os
import sys
from collections.abc import Callable

from urushi import catalogue

_COMPLETED_BY = "_URUSHI_COMPLETE"  # as typer's scripts of the shells call it


def typed() -> list[str]:
    """The words after the program's name: its arguments, or what the shell hands over to be completed."""
    if _COMPLETED_BY not in os.environ:
        return sys.argv[1:]
    words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return words.split()[1:]


def recipe(incomplete: str) -> list[str]:
    """Names of recipes that begin like this."""
    from urushi.recipes.files import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def entry_of(room: str) -> Callable[[str], list[str]]:
    """Gives the names in a room, such as "urushi.models", that begin like this."""

    def entry(incomplete: str) -> list[str]:
        return [name for name in catalogue.names(room) if name.startswith(incomplete)]

    return entry

"""Where the command line writes: results to stdout, everything else to stderr."""

import errno
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from urushi.first_process import is_first_process
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.inspection import Unreadable

_NO_BUGS = {errno.ENOSPC, errno.EROFS, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", None)}  # of a disk that is full

is_debugging = False


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr; of several processes of one fit the first says it."""
    if is_first_process():
        _say(text)


def _say(text: str) -> None:
    """Whole, whenever an interrupt comes."""
    print(f"{text}\n", end="", file=sys.stderr, flush=True)


def fail(error: Exception) -> None:
    """An error as one message on stderr; one that is not ours is a bug and says so."""
    from urushi.errors import UrushiError

    if isinstance(error, UrushiError):
        _say(f"error: {printable(str(error), keep_lines=True)}")
    elif isinstance(error, OSError) and error.errno in _NO_BUGS:
        place = "the output" if error.filename is None else str(error.filename)
        _say(f"error: {printable(place)} cannot be written: {error.strerror}")
    else:
        _say(f"error: unexpected {type(error).__name__}: {error}\nPlease report this; --debug shows where it happened.")


def list_unreadable(unreadable: "Iterable[Unreadable]") -> None:
    """One line per image that could not be read, with its reason."""
    for item in unreadable:
        note(f"not read: {printable(item.source)}: {printable(item.reason)}")


def table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]], title: str | None = None) -> None:
    """A table on stdout; cells are shown as they are, never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        drawn.add_row(*(Text(printable(str(cell), keep_lines=True)) for cell in row))
    Console().print(drawn)

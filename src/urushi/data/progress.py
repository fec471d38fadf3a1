"""How far some work is, for who waits for it: a bar on a terminal, else a line now and then; always on stderr."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
Shown = Literal["bar", "none"]
LINE_EVERY = "URUSHI_PROGRESS_SECONDS"  # in the environment of a process whose lines are read by another
_LINE_EVERY_SECONDS = 60.0

_shown: "Progress | None" = None  # what is on the terminal now: work inside other work gets a bar below that one's


class Track(Protocol):
    """Gives the items back one by one, and shows how many of the total have come."""

    def __call__(self, items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]: ...


def untracked(items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:  # noqa: ARG001
    """The items, and nothing shown."""
    yield from items


def tracked(items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
    """The items, with the time that remains where stderr is a terminal, and there a line a minute where it is none."""
    # While a bar is shown rich stands in for stderr, and may say that it is none. To load it takes a tenth of a second.
    if _shown is None and not sys.stderr.isatty():
        yield from with_lines(items, text, total)
        return
    total = len(items) if total is None and isinstance(items, Sized) else total
    with _display() as display:
        task = display.add_task(text, total=total)
        try:
            for item in items:
                yield item
                display.advance(task)
        finally:
            display.remove_task(task)


def track_of(shown: Shown) -> Track:
    """What shows as much as is asked for."""
    return tracked if shown == "bar" else untracked


def with_lines(
    items: Iterable[T], text: str, total: int | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The items, and a line on stderr for each minute that passes."""
    every = float(os.environ.get(LINE_EVERY, _LINE_EVERY_SECONDS))
    due = clock() + every
    for number, item in enumerate(items):
        if clock() >= due:
            due += every
            print(f"{text}: {number}" + (f" of {total}" if total else ""), file=sys.stderr, flush=True)
        yield item


def end() -> None:
    """Takes away what is shown, where an error or an interrupt ends the work."""
    if _shown is not None:
        _shown.stop()


@contextmanager
def _display() -> "Iterator[Progress]":
    """The bars that are shown, or the first one, which goes when it is done."""
    global _shown
    if _shown is not None:
        yield _shown
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(None))
    ends = (MofNCompleteColumn(), TimeRemainingColumn(compact=True), TextColumn("left"))
    # Results that go to a file must get there: rich would write what is printed meanwhile on its own console.
    is_shown_too = sys.stdout is not None and sys.stdout.isatty()
    console = Console(stderr=True)
    with Progress(*columns, *ends, console=console, transient=True, redirect_stdout=is_shown_too) as _shown:
        try:
            yield _shown
        finally:
            _shown = None

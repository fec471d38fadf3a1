"""Results of a folder that is watched, one as soon as its image has arrived."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.cli._datasets import note_problems
from urushi.data.pages import images_in_file
from urushi.data.watching import Watch
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection, Unreadable

if TYPE_CHECKING:
    from urushi.detector import Detector


def watch_of(folder: Path, *, only_new: bool, idle_seconds: float | None) -> Watch:
    """A watch of a folder that tells the person at the terminal what keeps it waiting."""
    idle = math.inf if idle_seconds is None else idle_seconds
    return Watch(folder, only_new=only_new, idle_seconds=idle, report=_console.note)


def watched(detector: "Detector", watch: Watch) -> Iterator[Inspection | Unreadable]:
    """One result per image; what cannot be read may still be on its way, and gets a second chance.

    So does a page of a file of several; those before it are not inspected again.
    """
    n_inspected: dict[Path, int] = {}  # pages of a file that was postponed
    for path, is_last_try in watch:
        n_before = n_inspected.pop(path, 0)
        pages = images_in_file(path, lambda problem: note_problems([problem]))
        for number, page in enumerate(islice(pages, n_before, None), n_before):
            result = _inspected(detector, page)
            if isinstance(result, Unreadable) and not is_last_try:
                n_inspected |= {path: number} if number else {}
                watch.postpone(path)
                break
            yield result


def _inspected(detector: "Detector", image: Path) -> Inspection | Unreadable:
    try:
        return detector.inspect(image)
    except UnreadableImageError as error:
        return Unreadable(error.source, error.reason)


@contextmanager
def until_stopped() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how a watch ends: in order, whatever is under way is left."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        _console.note("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)

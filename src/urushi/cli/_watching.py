"""Results of a folder that is watched, one as soon as its image has arrived."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.data.arriving import parts_arriving
from urushi.data.watching import Watch
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection, Unreadable
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.detector import Detector


def watch_of(folder: Path, *, only_new: bool, idle_seconds: float | None) -> Watch:
    """A watch of a folder that tells the person at the terminal what keeps it waiting."""
    idle = math.inf if idle_seconds is None else idle_seconds
    return Watch(folder, only_new=only_new, idle_seconds=idle, report=_console.note)


def watched(detector: "Detector", watch: Watch) -> Iterator[Inspection | Unreadable]:
    """One result per part; what cannot be read may still be on its way, and gets a second chance."""

    def attempt(image: Path, is_last_try: bool) -> Inspection | Unreadable | None:
        try:
            return detector.inspect(image)
        except UnreadableImageError as error:
            return Unreadable(error.source, error.reason) if is_last_try else None

    return parts_arriving(watch, attempt, lambda reason: _console.note(f"note: {printable(reason)}"))


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

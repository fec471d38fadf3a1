"""Results of a folder that is watched, one as soon as its image has arrived."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.data.watching import Watch
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection, Unreadable

if TYPE_CHECKING:
    from urushi.detector import Detector


def watched(
    detector: "Detector", folder: Path, *, only_new: bool, idle_seconds: float | None
) -> Iterator[Inspection | Unreadable]:
    """One result per image; what cannot be read may still be on its way, and gets a second chance."""
    idle = math.inf if idle_seconds is None else idle_seconds
    watch = Watch(folder, only_new=only_new, idle_seconds=idle, report=_console.note)
    for path, is_last_try in watch:
        try:
            yield detector.inspect(path)
        except UnreadableImageError as error:
            if is_last_try:
                yield Unreadable(error.source, error.reason)
            else:
                watch.postpone(path)


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

"""Results of a folder that is watched, one as soon as its image has arrived."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.data.parts import may_be_label, why_no_part
from urushi.data.watching import Watch
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection, Unreadable
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.detector import Detector


def watched(
    detector: "Detector", folder: Path, *, only_new: bool, idle_seconds: float | None
) -> Iterator[Inspection | Unreadable]:
    """One result per part; what cannot be read may still be on its way, and gets a second chance.

    So does what is called like a label image and comes before its image. Masks are left out, and each folder of them
    is said once.
    """
    idle = math.inf if idle_seconds is None else idle_seconds
    watch = Watch(folder, only_new=only_new, idle_seconds=idle, report=_console.note)
    said: set[str] = set()
    for path, is_last_try in watch:
        if reason := why_no_part(path, folder):
            _say_once(reason, said)
        elif may_be_label(path) and not is_last_try:
            watch.postpone(path)
        elif isinstance(found := _inspected(detector, path), Inspection) or is_last_try:
            yield found
        else:
            watch.postpone(path)


def _inspected(detector: "Detector", path: Path) -> Inspection | Unreadable:
    try:
        return detector.inspect(path)
    except UnreadableImageError as error:
        return Unreadable(error.source, error.reason)


def _say_once(reason: str, said: set[str]) -> None:
    if reason not in said:
        said.add(reason)
        _console.note(f"note: {printable(reason)}")


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

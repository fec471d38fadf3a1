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
from urushi.data.parts import may_be_label, why_no_part
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
    """One result per part; what cannot be read may still be on its way, and gets a second chance.

    So does a page of a file of several; those before it are not inspected again. So does what is called like a label
    image and comes before its image. Masks are left out, and each folder of them is said once.
    """
    n_inspected: dict[Path, int] = {}  # pages of a file that was postponed
    said: set[str] = set()
    for path, is_last_try in watch:
        if reason := why_no_part(path, watch.folder):
            _say_once(reason, said)
        elif may_be_label(path) and not is_last_try:
            watch.postpone(path)
        else:
            yield from _pages(detector, watch, path, n_inspected, is_last_try=is_last_try)


def _pages(
    detector: "Detector", watch: Watch, path: Path, n_inspected: dict[Path, int], *, is_last_try: bool
) -> Iterator[Inspection | Unreadable]:
    """A result for each image of a file, up to one that may not have arrived yet."""
    n_before = n_inspected.pop(path, 0)
    pages = images_in_file(path, lambda problem: note_problems([problem]))
    for number, page in enumerate(islice(pages, n_before, None), n_before):
        result = _inspected(detector, page)
        if isinstance(result, Unreadable) and not is_last_try:
            n_inspected |= {path: number} if number else {}
            watch.postpone(path)
            return
        yield result


def _inspected(detector: "Detector", image: Path) -> Inspection | Unreadable:
    try:
        return detector.inspect(image)
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

"""What is said when a command is interrupted: what it leaves behind, and how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from urushi.cli import _console

_LEFT = {
    "demo": "what it has made so far is in its folder; remove that to start anew",
    "inspect": "what was printed stands; the other images were not inspected, and there is no report",
    "calibrate": "the detector is as it was",
    "export": "the detector is as it was",
    "novelties": "the file is as it was",
    "tune": "trials that are done are kept; the same command goes on",
    "compare": "runs that are done are kept; the same command goes on",
    "study": "runs that are done are kept; the same command goes on",
    "prepare": "the folder of results is not whole; the same command starts anew",
    "augment": "the folder of results is not whole; the same command starts anew",
    "texture": "the folder of results is not whole; the same command starts anew",
    "xray": "what it was to write is not whole; the same command starts anew",
}


@contextmanager
def leaving(left: Callable[[], str]) -> Iterator[None]:
    """An interrupt in here leaves something of its own behind: what, and how to go on, is asked for only then."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(left())
        raise


def tell(stop: BaseException, command: str | None) -> None:
    """One line on stderr."""
    notes = getattr(stop, "__notes__", None) or [_LEFT.get(command or "", "nothing was written")]
    _console.note(f"interrupted: {'; '.join(notes)}")

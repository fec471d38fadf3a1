"""What one image may take: pixels, bytes of memory with those that are decoded beside it, and seconds.

The limits are the process's own, since they stand for its memory and the patience of its line.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar, cast

from urushi.data._pixels import RefusalError

T = TypeVar("T")

MAX_PIXELS = 178_000_000
_BYTES_PER_PIXEL = 4  # of the largest picture that is allowed: twice as many bytes, half as many pixels
_COPIES = 3  # of its pixels that decoding holds at once: stored, converted, turned
_BUDGET_BYTES = 2 << 30
_DEADLINE_SECONDS = 60.0


class _TooLongError(BaseException):
    """Raised in a thread that has had its time; no decoder catches it as an error of the file."""


class _Attempt(threading.Thread):
    """A thread that keeps what its work gives or raises, and how long it had to wait for memory."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(name="urushi-decode-one", daemon=True)
        self.work, self.found, self.error = work, None, None
        self.is_waiting, self.waited = False, 0.0

    work: Callable[[], object]
    found: object
    error: BaseException | None

    def run(self) -> None:
        try:
            self.found = self.work()
        except BaseException as error:  # the caller's thread raises it
            self.error = error

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time that does not count."""
        start, self.is_waiting = time.monotonic(), True
        yield
        self.waited, self.is_waiting = self.waited + time.monotonic() - start, False

    def join_within(self, seconds: float) -> bool:
        """Whether it ended in so many seconds, those that it waited not counted."""
        start = time.monotonic()
        while self.is_alive() and (self.is_waiting or time.monotonic() - start - self.waited < seconds):
            self.join(max(0.01, min(1.0, start + self.waited + seconds - time.monotonic())))
        return not self.is_alive()


@dataclass
class _Limits:
    """Changed by `allow`; how many bytes are taken changes all the time."""

    max_pixels: int = MAX_PIXELS
    deadline_seconds: float = _DEADLINE_SECONDS
    taken: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)


_limits = _Limits()


def allow(*, megapixels: float | None = None, seconds: float | None = None) -> None:
    """Sets what one image may have from now on, in this process; None: as it is."""
    if megapixels is not None:
        _limits.max_pixels = round(megapixels * 1e6)
    if seconds is not None:
        _limits.deadline_seconds = seconds


def max_pixels() -> int:
    """How many pixels an image may have, unless its reader is told another number."""
    return _limits.max_pixels


@contextmanager
def memory(width: int, height: int, bytes_per_pixel: float, most_pixels: int) -> Iterator[None]:
    """Waits until there is room to decode a picture; raises RefusalError if it is too large to be decoded at all.

    One alone may always begin: what is allowed must not wait for ever.
    """
    _refuse_larger(width, height, bytes_per_pixel, most_pixels)
    wanted = int(width * height * bytes_per_pixel) * _COPIES
    with _limits.changed:
        with _not_counted():
            _limits.changed.wait_for(lambda: _limits.taken == 0 or _limits.taken + wanted <= _BUDGET_BYTES)
        _limits.taken += wanted
    try:
        yield
    finally:
        with _limits.changed:
            _limits.taken -= wanted
            _limits.changed.notify_all()


def in_time(work: Callable[[], T]) -> T:
    """What `work` gives, or RefusalError after the deadline; then it is told to stop, and is not waited for."""
    attempt = _Attempt(work)
    attempt.start()
    if not attempt.join_within(_limits.deadline_seconds):
        _stop(attempt)
        raise RefusalError(f"took longer than {_limits.deadline_seconds:g} s to decode")
    if attempt.error is not None:
        raise attempt.error
    return cast("T", attempt.found)


def _refuse_larger(width: int, height: int, bytes_per_pixel: float, most_pixels: int) -> None:
    if width * height * bytes_per_pixel > most_pixels * _BYTES_PER_PIXEL:
        raise RefusalError(
            f"too large: {width} × {height} pixels of {bytes_per_pixel:g} bytes, the limit is "
            f"{most_pixels * _BYTES_PER_PIXEL / 1e6:.0f} MB; `urushi --max-megapixels N COMMAND` sets another"
        )


def _not_counted() -> AbstractContextManager[None]:
    me = threading.current_thread()
    return me.waiting() if isinstance(me, _Attempt) else nullcontext()


def _stop(thread: threading.Thread) -> None:
    """Ends a loop of Python; one inside a library goes on, and ends with the process."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_TooLongError))

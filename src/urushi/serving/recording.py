"""Results are recorded by one thread, all that wait in one transaction: the disk is waited for once.

A transaction of one takes five times as long as the share of one in a transaction of many. So while there is enough
else to compute, it is waited for more.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from urushi.serving.history import Draft, History
from urushi.serving.tables import Inspected

Tell = Callable[[Inspected | Exception], None]
_AT_ONCE = 32
_ENOUGH = 8  # are worth a transaction
_PATIENCE_SECONDS = 0.2


@dataclass(frozen=True)
class Wanted:
    """A draft, and who is told its row, or why there is none; that must be quick and raise nothing."""

    draft: Draft
    tell: Tell


class Recording:
    """That of a station, until it is closed."""

    def __init__(self, history: History, undone: Callable[[str], None], are_busy: Callable[[int], bool]) -> None:
        """`undone` is told of the detector of each result whose transaction failed.

        `are_busy` says whether those who inspect have enough to do while so many results wait here.
        """
        self._history, self._undone, self._are_busy = history, undone, are_busy
        self._waiting, self._changed, self._is_closing = deque[Wanted](), threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="urushi-record")
        self._thread.start()

    def add(self, draft: Draft, tell: Tell) -> None:
        """To be recorded with what else waits; what cannot be is dropped."""
        with self._changed:
            self._waiting.append(Wanted(draft, tell))
            self._changed.notify()

    def close(self) -> None:
        """Records what waits."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            try:
                self._record(group)
            except Exception:  # one of them is to blame: the others are not kept back
                for wanted in group:
                    self._record_alone(wanted)

    def _next(self) -> list[Wanted]:
        """The oldest that wait; none once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            self._changed.wait_for(self._is_time, _PATIENCE_SECONDS)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]

    def _is_time(self) -> bool:
        n_waiting = len(self._waiting)
        return self._is_closing or n_waiting >= _ENOUGH or not self._are_busy(n_waiting)

    def _record(self, group: Sequence[Wanted]) -> None:
        try:
            rows = self._history.record([wanted.draft for wanted in group])
        except BaseException:
            for detector in {wanted.draft.version.detector for wanted in group}:
                self._undone(detector)
            raise
        for wanted, row in zip(group, rows, strict=True):
            wanted.tell(row)

    def _record_alone(self, wanted: Wanted) -> None:
        try:
            self._record([wanted])
        except Exception as error:
            self._history.drop(wanted.draft)
            wanted.tell(error)

"""What an engine does in a forked child, where the threads of its parent are not."""

import ctypes
import os
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Remade(Generic[T]):
    """An engine with threads of its own: made at once or at its first use, and anew at that in a forked child."""

    def __init__(self, make: Callable[[], T], *, at_once: bool = True) -> None:
        self._make, self._lock = make, Lock()
        self._made: T | None = make() if at_once else None
        _ALL.add(self)

    def __call__(self) -> T:
        """The engine of this process."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def leave(self) -> None:
        """Forgets the parent's engine without closing it, which would wait for threads that are not here, or crash."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._made))
        self._made, self._lock = None, Lock()  # whoever held the lock is not here either


_ALL: WeakSet[Remade[Any]] = WeakSet()


def in_children(do: Callable[[], object]) -> None:
    """Has it done at the start of every forked child; where there is no fork, never."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=do)


def _leave_all() -> None:
    for engine in list(_ALL):
        engine.leave()


in_children(_leave_all)

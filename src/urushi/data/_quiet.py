"""Keeps Pillow's warnings and OpenCV's log from leaking out of hostile files, in any number of threads.

`warnings.catch_warnings` saves and restores the whole list of filters, so that two threads can leave each other's
filters behind. Here the first decoder puts one narrow entry in, the last one takes exactly that entry out.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import cv2

_IGNORE_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_lock = threading.Lock()
_n_active = 0
_log_level = 0


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silences Pillow's warnings and OpenCV's log for as long as any thread is inside."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _n_active, _log_level
    with _lock:
        if _n_active == 0:
            _log_level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            # Not filterwarnings(): it forgets which warnings were already shown, for every package.
            _filters().insert(0, _IGNORE_PILLOW)
        _n_active += 1


def _leave() -> None:
    global _n_active
    with _lock:
        _n_active -= 1
        if _n_active == 0:
            cv2.utils.logging.setLogLevel(_log_level)
            if _IGNORE_PILLOW in _filters():  # someone else may have replaced the list meanwhile
                _filters().remove(_IGNORE_PILLOW)


def _filters() -> list[Any]:
    return cast("list[Any]", warnings.filters)

"""Keeps freed memory in the process while it trains."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # as in glibc's malloc.h
_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 1 << 28}
_USUAL = {_MMAP_MAX: 65536, _TRIM_THRESHOLD: 128 << 10, _TOP_PAD: 128 << 10}


@contextmanager
def kept_memory(*, is_wanted: bool) -> Iterator[None]:
    """While inside, glibc does not return freed memory to the system; elsewhere, or if not wanted, nothing changes.

    A training step frees and allocates the same large tensors again and again. By default each of them is mapped
    anew, and every page of it faults once more: where faults are dear, as in virtual machines, that is half the time.
    """
    libc = ctypes.CDLL(None) if is_wanted and sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    _set(libc, _KEPT)
    try:
        yield
    finally:
        _set(libc, _USUAL)
        libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        libc.mallopt(parameter, value)

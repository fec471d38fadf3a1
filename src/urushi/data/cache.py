"""An array that grows row by row: in memory while small, in a temporary memory-mapped file when not."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

IN_MEMORY_BYTES = 1 << 30


def cache(rows: Iterable[np.ndarray], n_rows: int, *, in_memory_bytes: int = IN_MEMORY_BYTES) -> np.ndarray:
    """Up to `n_rows` equal-shaped float32 rows as one array (n, …); the file behind it is gone when the array is."""
    store: np.ndarray | None = None
    filled = 0
    for row in rows:
        store = _allocate((n_rows, *row.shape), in_memory_bytes) if store is None else store
        store[filled] = row
        filled += 1
    return np.empty((0,), np.float32) if store is None else store[:filled]


def _allocate(shape: tuple[int, ...], in_memory_bytes: int) -> np.ndarray:
    if 4 * int(np.prod(shape)) <= in_memory_bytes:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:  # Linux and macOS keep an unlinked mapped file alive
        return np.memmap(Path(folder) / "cache", np.float32, "w+", shape=shape)

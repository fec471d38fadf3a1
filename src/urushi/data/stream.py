"""Images decoded and prepared by a few threads, a bounded number ahead of the network, in their order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from urushi.data.images import ImageSource, read_image
from urushi.errors import InputError, UnreadableImageError

S = TypeVar("S")
R = TypeVar("R")


def stream(
    work: Callable[[S], R], sources: Iterable[S], *, n_threads: int | None = None, ahead: int = 64
) -> Iterator[R]:
    """work(source) for each source in order; at most `ahead` ≥ 1 results exist that nobody has taken yet."""
    _require_positive(ahead)
    waiting: deque[Future[R]] = deque()
    rest = iter(sources)
    with ThreadPoolExecutor(n_threads or min(8, os.cpu_count() or 1), thread_name_prefix="urushi-decode") as pool:
        try:
            waiting.extend(pool.submit(work, source) for source in islice(rest, ahead))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, source) for source in islice(rest, 1))
        finally:  # the reader may have stopped early
            for future in waiting:
                future.cancel()


def side_by_side(work: Callable[[S], R], sources: Iterable[S], n_parallel: int) -> Iterator[R]:
    """work(source) for each source in order, n_parallel ≥ 1 of them at once; one at a time is done in this thread.

    PyTorch in a thread of its own took twice the time here: what it frees there goes back to the system.
    """
    if n_parallel > 1:
        return stream(work, sources, n_threads=n_parallel, ahead=n_parallel + 1)
    return map(work, sources)


def batches(items: Iterable[S], size: int) -> Iterator[list[S]]:
    """Lists of up to `size` ≥ 1 consecutive items."""
    _require_positive(size)
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def evenly(items: Sequence[S], n: int) -> list[S]:
    """At most n of them, from the first to the last."""
    places = np.unique(np.linspace(0, len(items) - 1, min(n, len(items))).round().astype(int))
    return [items[place] for place in places]


def _require_positive(number: int) -> None:
    """None at a time would give nothing at all, and say nothing."""
    if number < 1:
        raise InputError(f"a batch size or look-ahead of {number} images; give at least 1")


@dataclass(frozen=True)
class Decoded:
    """The readable ones among some images, decoded anew at each pass; the others are listed when they are prepared."""

    sources: Sequence[ImageSource]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for image in stream(_decoded, self.sources, ahead=8) if image is not None)


def _decoded(source: ImageSource) -> np.ndarray | None:
    try:
        return read_image(source)
    except UnreadableImageError:
        return None

"""The parts among the files that arrive in a watched folder: each is tried once it seems whole, or once more."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from urushi.data.pages import images_in_file
from urushi.data.parts import may_be_label, why_no_part
from urushi.data.samples import Problem
from urushi.data.watching import Watch

R = TypeVar("R")
Attempt = Callable[[Path, bool], R | None]  # on an image; whether it is the last; None: it may still be on its way


def parts_arriving(watch: Watch, attempt: Attempt[R], tell: Callable[[str], None]) -> Iterator[R]:
    """What the attempts give, one for each part; one that gave nothing is made once more, as the last.

    Of a file of several images those before it are not tried again. What is called like a label image and comes before
    its image waits, too. Masks are left out, and `tell` is told once of each folder of them.
    """
    n_done: dict[Path, int] = {}  # pages of a file that was postponed
    told: set[str] = set()
    for path, is_last_try in watch:
        if reason := why_no_part(path, watch.folder):
            if reason not in told:
                told.add(reason)
                tell(reason)
        elif may_be_label(path) and not is_last_try:
            watch.postpone(path)
        else:
            yield from _pages(watch, path, attempt, tell, n_done, is_last_try=is_last_try)


def _pages(
    watch: Watch,
    path: Path,
    attempt: Attempt[R],
    tell: Callable[[str], None],
    n_done: dict[Path, int],
    *,
    is_last_try: bool,
) -> Iterator[R]:
    """Of each image of a file, up to one that may not have arrived yet."""

    def notice(problem: Problem) -> None:
        tell(f"{problem.path}: {problem.reason}")

    n_before = n_done.pop(path, 0)
    for number, page in enumerate(islice(images_in_file(path, notice), n_before, None), n_before):
        result = attempt(page, is_last_try)
        if result is None:
            n_done |= {path: number} if number else {}
            watch.postpone(path)
            return
        yield result

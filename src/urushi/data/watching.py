"""A folder into which a camera or another program writes images, one after the other."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from urushi.data.folders import images_below, is_folder
from urushi.data.samples import Problem
from urushi.errors import DatasetError

Stamp = tuple[int, int]  # time of the last change in ns, size in bytes


class Arrival(NamedTuple):
    """A file that seems whole; on its last try it is what it is."""

    path: Path
    is_last_try: bool


@dataclass
class _File:
    stamp: Stamp
    since: float  # when it was first seen like this
    due: float  # when it is handed out; infinite once it was
    is_last_try: bool


@dataclass
class Watch:
    """Hands out image files below a folder as they arrive, and again when they are written anew.

    The folder is looked at again and again, since shares in a network tell of no events. A file has arrived when it has
    not changed for `settle_seconds`; an empty one, and one that was `postponed`, when it has not changed for
    `patience_seconds`. What is gone from the folder is forgotten, so that memory does not grow. While the folder cannot
    be read, nothing is forgotten.
    """

    folder: Path
    settle_seconds: float = 0.5
    patience_seconds: float = 10.0
    poll_seconds: float = 0.1
    only_new: bool = False  # leave alone what lies there at the start
    idle_seconds: float = math.inf  # end when nothing has happened for so long, and no file is waited for
    report: Callable[[str], None] = print  # is told when the folder cannot be read
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _files: dict[Path, _File] = field(default_factory=dict, init=False)
    _is_reachable: bool = field(default=True, init=False)

    def __iter__(self) -> Iterator[Arrival]:
        """Without end, unless idle; raises DatasetError if there is no such folder at the start."""
        if not is_folder(self.folder):
            raise DatasetError(f"there is no folder {str(self.folder)!r} to watch; make it, or check its spelling")
        self._look(self.clock())
        if self.only_new:
            for file in self._files.values():
                file.due = math.inf
        last_event = self.clock()
        while self.clock() - last_event < self.idle_seconds or self._is_waiting():
            for arrival in self._due(self.clock()):
                yield arrival
                last_event = self.clock()
            self.sleep(self.poll_seconds)
            if self._look(self.clock()):
                last_event = self.clock()

    def postpone(self, path: Path) -> None:
        """Hands the file out once more: when it has changed, or for the last time when it has not for long."""
        if (file := self._files.get(path)) is not None:
            file.due, file.is_last_try = file.since + self.patience_seconds, True

    def _is_waiting(self) -> bool:
        return any(file.due < math.inf for file in self._files.values())

    def _look(self, now: float) -> bool:
        """Takes note of what has changed since the last look, and says whether anything has."""
        found, is_complete = self._listing()
        changed = {path for path, stamp in found.items() if path not in self._files or self._files[path].stamp != stamp}
        for path in changed:
            is_empty = found[path][1] == 0
            wait = self.patience_seconds if is_empty else self.settle_seconds
            self._files[path] = _File(found[path], now, now + wait, is_last_try=is_empty)
        if is_complete:
            for path in set(self._files) - set(found):
                del self._files[path]
        return bool(changed)

    def _listing(self) -> tuple[dict[Path, Stamp], bool]:
        """Image files and their stamps, and whether everything could be read."""
        found: dict[Path, Stamp] = {}
        problems = []
        for entry in images_below(self.folder):
            if isinstance(entry, Problem):
                problems.append(entry)
            elif not entry.name.startswith(".") and (stamp := _stamp(entry)) is not None:
                found[entry] = stamp
        is_reachable = not any(problem.path == self.folder for problem in problems)
        if self._is_reachable and not is_reachable:
            self.report(f"{self.folder} {problems[0].reason}; waiting for it")
        self._is_reachable = is_reachable
        return found, not problems

    def _due(self, now: float) -> Iterator[Arrival]:
        """What has settled, oldest first."""
        ready = [path for path, file in self._files.items() if file.due <= now]
        for path in sorted(ready, key=lambda path: self._files[path].stamp):
            file = self._files[path]
            file.due = math.inf
            yield Arrival(path, file.is_last_try)


def _stamp(path: Path) -> Stamp | None:
    """None for a file that has just gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size

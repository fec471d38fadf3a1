"""Images, maps and detector files on disk, each under the SHA-256 of its content.

What is named in the database is on the disk before: it is written, flushed, renamed, and its folder is flushed as well.
"""

import hashlib
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from urushi import atomic_file
from urushi.errors import NotFoundError

_CHUNK = 1 << 20


class Objects:
    """Below one folder; one process at a time may write there."""

    def __init__(self, folder: Path) -> None:
        self.root, self.incoming = folder / "objects", folder / "incoming"
        for place in (self.root, self.incoming):
            place.mkdir(parents=True, exist_ok=True)
        self._pinned: Counter[str] = Counter()
        self._changing = threading.Lock()

    def path(self, digest: str) -> Path:
        """Where the content of this digest lies; raises NotFoundError."""
        if not (path := self._place(digest)).is_file():
            raise NotFoundError(f"there is no file {digest} any more")
        return path

    def receive(self, source: BinaryIO, suffix: str) -> Path:
        """A file of what can be read there, which is nobody's until it is kept."""
        place = self.incoming_place(suffix)
        try:
            with place.open("xb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return place

    def incoming_place(self, suffix: str) -> Path:
        """Where a file may be written that is nobody's yet."""
        return self.incoming / f"{uuid4().hex}{suffix}"

    @contextmanager
    def keeping(self) -> Iterator["Keeper"]:
        """Keeps contents that are not removed before the end, by when the database has to name them."""
        keeper = Keeper(self)
        try:
            yield keeper
        finally:
            keeper.close()

    def remove(self, digest: str, is_named: Callable[[str], bool]) -> int:
        """Removes what nothing names, and gives its bytes; 0 where it is kept."""
        with self._changing:
            if self._pinned[digest] or is_named(digest):
                return 0
            place = self._place(digest)
            n_bytes = place.stat().st_size if place.exists() else 0
            place.unlink(missing_ok=True)
            return n_bytes

    def sweep(self, is_named: Callable[[str], bool]) -> int:
        """Removes what a process that was killed has left: drafts, and what no row names; gives their number."""
        drafts = [path for path in self.root.rglob("*") if atomic_file.is_draft(path)]
        strays = [*drafts, *self.incoming.iterdir()]
        for path in strays:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        unnamed = [path for path in self.root.rglob("*") if path.is_file() and not is_named(path.name)]
        for path in unnamed:
            path.unlink()
        return len(strays) + len(unnamed)

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _pin(self, digest: str) -> None:
        with self._changing:
            self._pinned[digest] += 1

    def _unpin(self, digests: list[str]) -> None:
        with self._changing:
            self._pinned.subtract(digests)
            self._pinned = +self._pinned


class Keeper:
    """Puts contents in their places, from which they are not removed before it is closed."""

    def __init__(self, objects: Objects) -> None:
        self._objects, self.digests = objects, list[str]()

    def put(self, content: bytes) -> str:
        """The digest of a content that is on the disk now."""
        digest, place = self._begin(hashlib.sha256(content).hexdigest())
        if not place.exists():
            draft = self._objects.incoming_place("")
            try:
                with draft.open("xb") as file:
                    file.write(content)
                    self._move(file, draft, place)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
        return digest

    def take(self, received: Path) -> str:
        """The same for a file, which is moved."""
        with received.open("rb") as file:
            digest, place = self._begin(hashlib.file_digest(file, "sha256").hexdigest())
            if not place.exists():
                self._move(file, received, place)
        return digest

    def _move(self, file: BinaryIO, draft: Path, place: Path) -> None:
        """A file that is whole, to where it is named."""
        file.flush()
        os.fsync(file.fileno())
        draft.replace(place)
        _flush(place.parent)

    def close(self) -> None:
        """By now the database names them, or nobody wants them; once."""
        self._objects._unpin(self.digests)

    def _begin(self, digest: str) -> tuple[str, Path]:
        self._objects._pin(digest)
        self.digests.append(digest)
        place = self._objects._place(digest)
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            _flush(place.parent.parent)
        return digest, place


def linked(source: Path, place: Path) -> Path:
    """The same file again at a place, or a copy where the disk knows no links."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
    return place


def _flush(folder: Path) -> None:
    """That a name is there after a power cut, too; Windows knows no such call."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

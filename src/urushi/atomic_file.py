"""A file that is the old one or the new one, whatever happens while it is written."""

import glob
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_DRAFT = ".part"  # .NAME-PID-xxxxxxxx.part: who writes it can be told
_NAME_CHARACTERS = 60  # of the name: the draft's must not be too long where the file's is not


def replace(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Writes a draft beside `path` and renames it; raises OSError, and leaves nothing behind.

    A durable one is on the disk before it takes the old one's place, so not even a power cut loses both. That takes
    milliseconds, too many for each of thousands of pictures that can be made again.
    """
    if is_durable:
        _sweep(path.parent.glob(f"{glob.escape(_beginning(path))}*{_DRAFT}"))
    with _draft(path) as (descriptor, draft):
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)


@contextmanager
def growing(path: Path) -> Iterator[TextIO]:
    """A text file to write line by line, which takes its place when it is whole; raises OSError."""
    with _draft(path) as (descriptor, draft):
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def is_draft(path: Path) -> bool:
    """Whether it is a file that was never finished, by its name."""
    return path.name.startswith(".") and path.name.endswith(_DRAFT)


def sweep(folder: Path) -> None:
    """Removes drafts below a folder whose writer was killed."""
    _sweep(folder.rglob(f".*{_DRAFT}"))


def _sweep(drafts: Iterable[Path]) -> None:
    for draft in drafts:
        pid = draft.name.removesuffix(_DRAFT).rpartition("-")[0].rpartition("-")[2]
        if pid.isdecimal() and not _is_running(int(pid)):
            with suppress(OSError):
                draft.unlink()


@contextmanager
def _draft(path: Path) -> Iterator[tuple[int, Path]]:
    """An open descriptor and its path, which is gone afterwards unless it was renamed."""
    descriptor, name = tempfile.mkstemp(_DRAFT, f"{_beginning(path)}{os.getpid()}-", path.parent)
    draft = Path(name)
    try:
        draft.chmod(0o644)
        yield descriptor, draft
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _beginning(path: Path) -> str:
    return f".{path.name[:_NAME_CHARACTERS]}-"


def _is_running(pid: int) -> bool:
    """Also where that can't be told: on Windows, asking would end the process."""
    try:
        if os.name == "posix":
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True

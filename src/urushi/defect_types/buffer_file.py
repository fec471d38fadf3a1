"""The file of a novelty buffer, which several programs may fill: each changes it while the others wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from urushi.catalogue.extras import require
from urushi.defect_types.novelties import NoveltyBuffer
from urushi.errors import InputError

_PATIENCE_SECONDS = 60


def update(path: Path, change: Callable[[NoveltyBuffer | None], NoveltyBuffer]) -> NoveltyBuffer:
    """Writes what `change` makes of the buffer in the file, or of None where there is no file; raises InputError."""
    with _alone(path):
        changed = change(NoveltyBuffer.load(path) if path.exists() else None)
        changed.save(path)
    return changed


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    require("filelock", "train")
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{path} has been in use by another program for {_PATIENCE_SECONDS} s; try again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place") from None
    try:
        yield
    finally:
        lock.release()

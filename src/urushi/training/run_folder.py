"""The folder of a training run: it belongs to one recipe, one seed and one set of images, and no run is lost in it."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from urushi import atomic_file
from urushi.errors import TrainingError
from urushi.first_process import is_first_process

_RECORD = "run.json"
_OF_A_RUN = ("*.ckpt", "learning_rate.csv", "reconstructions/epoch-*.npy")
_LOCK, _OWNER = ".lock", "pid"  # the lock is the system's: it ends with its process, whatever ends that


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes out of the folder; raises TrainingError, with the first one's pid, where one is in it.

    Of several processes of one run the first asks, and the others share its folder.
    """
    if not is_first_process():
        yield
        return
    _make(folder)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TrainingError(
            f"{folder} is in use by another fit (process {_owner(folder)}); wait, or fit to a file of another name"
        ) from None
    try:
        _write_file(folder / _OWNER, str(os.getpid()).encode())
        yield
    finally:
        (folder / _OWNER).unlink(missing_ok=True)
        lock.release()


def open_folder(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
    """Claims the folder for a run with this identity.

    Raises TrainingError if an unfinished run is there and `resume` is not asked for, or if what is to be resumed
    differs in recipe, seed or images, or is not there. A run that failed before its first checkpoint is none.
    """
    record = _read(folder)
    if resume:
        _require_same(folder, record, identity)
        return
    if is_unfinished(folder):
        raise TrainingError(
            f"{folder} holds an unfinished run; go on with --resume, or remove the folder to start anew"
        )
    if not is_first_process():
        return
    for kept in (path for pattern in _OF_A_RUN for path in folder.rglob(pattern)):
        kept.unlink()  # of a finished run, whose detector is saved
    _write(folder, {**identity, "finished": False})


def require_run(folder: Path, identity: Mapping[str, Any]) -> None:
    """Raises TrainingError unless a run with this identity, finished or not, has kept something in the folder."""
    _require_same(folder, _read(folder), identity)


def is_unfinished(folder: Path) -> bool:
    """Whether a run in this folder can be resumed; raises TrainingError where its record cannot be read."""
    record = _read(folder)
    return record is not None and not record.get("finished") and any(folder.rglob("*.ckpt"))


def finish(folder: Path) -> None:
    """Marks the run as finished: a new one may take the folder."""
    record = _read(folder)
    if record is not None and is_first_process():
        _write(folder, {**record, "finished": True})


def digest(array: np.ndarray) -> str:
    """SHA-256 over an array's rows, without a copy of the whole."""
    found = hashlib.sha256(str(array.shape).encode())
    for row in array:
        found.update(np.ascontiguousarray(row).data)
    return found.hexdigest()


def _require_same(folder: Path, record: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> None:
    if record is None:
        raise TrainingError(
            f"{folder} holds no run to go on from; leave --resume or --from-checkpoint away to start one"
        )
    if different := [name for name in identity if record.get(name) != identity[name]]:
        raise TrainingError(
            f"the run in {folder} had another {', '.join(different)}; go on with the same, or remove the folder"
        )


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / _RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise TrainingError(f"{folder / _RECORD} cannot be read ({error}); remove the folder to start anew") from None


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    _make(folder)
    _write_file(folder / _RECORD, json.dumps(record, indent=1).encode())


def _owner(folder: Path) -> str:
    try:
        return str(int((folder / _OWNER).read_text(encoding="utf-8")))
    except (OSError, ValueError):  # it has just begun
        return "unknown"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be made: {error.strerror}; fit to a file in another place") from None


def _write_file(path: Path, content: bytes) -> None:
    try:
        atomic_file.replace(path, content)
    except OSError as error:
        raise TrainingError(f"{path.parent} cannot be written: {error.strerror}") from None

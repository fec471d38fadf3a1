"""The folder of a training run: it belongs to one recipe, one seed and one set of images, and no run is lost in it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from urushi import atomic_file
from urushi.errors import TrainingError

_RECORD = "run.json"


def open_folder(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
    """Claims the folder for a run with this identity.

    Raises TrainingError if an unfinished run is there and `resume` is not asked for, or if what is to be resumed
    differs in recipe, seed or images, or is not there. A run that failed before its first checkpoint is none.
    """
    record = _read(folder)
    if resume:
        _require_same(folder, record, identity)
        return
    if record is not None and not record.get("finished") and any(folder.rglob("*.ckpt")):
        raise TrainingError(
            f"{folder} holds an unfinished run; go on with --resume, or remove the folder to start anew"
        )
    for checkpoint in folder.rglob("*.ckpt"):
        checkpoint.unlink()  # of a finished run, whose detector is saved
    _write(folder, {**identity, "finished": False})


def finish(folder: Path) -> None:
    """Marks the run as finished: a new one may take the folder."""
    record = _read(folder)
    if record is not None:
        _write(folder, {**record, "finished": True})


def digest(array: np.ndarray) -> str:
    """SHA-256 over an array's rows, without a copy of the whole."""
    found = hashlib.sha256(str(array.shape).encode())
    for row in array:
        found.update(np.ascontiguousarray(row).data)
    return found.hexdigest()


def _require_same(folder: Path, record: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> None:
    if record is None:
        raise TrainingError(f"{folder} holds no run to resume; leave --resume away to start one")
    if different := [name for name in identity if record.get(name) != identity[name]]:
        raise TrainingError(
            f"the run in {folder} had another {', '.join(different)}; resume it with the same, or remove the folder"
        )


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / _RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{folder / _RECORD} cannot be read ({error}); remove the folder to start anew") from None


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_file.replace(folder / _RECORD, json.dumps(record, indent=1).encode())
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror}") from None

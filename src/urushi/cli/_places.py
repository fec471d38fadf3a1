"""Where results go, checked before the work and not after it."""

import os
from pathlib import Path


def require_file_place(path: Path | None, option: str) -> None:
    """Raises InputError if a file cannot be written there, or a detector is there, which nothing else replaces."""
    from urushi.detector_file.archive import is_detector
    from urushi.errors import InputError

    if path is None:
        return
    _require_writable(path, option)
    if is_detector(path):
        raise InputError(f"{path} is a detector file: it is not overwritten; give {option} another place")


def require_detector_place(path: Path | None, option: str) -> None:
    """Raises InputError if a detector cannot be written there, or another file is there that holds something."""
    from urushi.detector_file.archive import is_detector
    from urushi.errors import InputError

    if path is None:
        return
    _require_writable(path, option)
    if path.exists() and path.stat().st_size and not is_detector(path):
        raise InputError(
            f"{path} is there and is no detector file: it is not overwritten; give {option} another place, or remove it"
        )


def _require_writable(path: Path, option: str) -> None:
    """Raises InputError for a folder, where there is no folder around it, and without the right to write."""
    from urushi.errors import InputError

    if path.is_dir():
        raise InputError(f"{path} is a folder; give {option} the path of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; make it, or give {option} another place")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} cannot be written to; give {option} another place")

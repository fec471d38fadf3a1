"""Where results go, checked before the work and not after it."""

import os
from pathlib import Path


def require_file_place(path: Path | None, option: str) -> None:
    """Raises InputError if a file cannot be written there: a folder, or no folder around it, or no right to write."""
    from urushi.errors import InputError

    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{path} is a folder; give {option} the path of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; make it, or give {option} another place")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} cannot be written to; give {option} another place")

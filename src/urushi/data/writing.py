"""Images written without loss, into folders that are known to be our own, and known not to be whole until they are."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from urushi import atomic_file
from urushi.data.folders import is_of_system
from urushi.errors import InputError

MARKER, UNFINISHED = "README.txt", "UNFINISHED.txt"
_NOT_WHOLE = "Files are being written here, or the program was stopped: the same command makes this folder whole.\n"


def claim(folder: Path, title: str, about: str) -> None:
    """Make `folder` our own by a README.txt that begins with `title`, before anything else is written.

    Until `finish`, a file UNFINISHED.txt says that it is not whole. A folder that is empty, new or ours already is
    taken, so that an interrupted run can be repeated. Raises InputError where it is a file or holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder.")
    marker = folder / MARKER
    is_own = marker.is_file() and marker.read_text(encoding="utf-8", errors="replace").startswith(title)
    if folder.is_dir() and not is_own and any(map(_is_other, folder.iterdir())):
        raise InputError(f"{folder} holds other files; give a new or empty folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_file.replace(marker, f"{title}\n\n{about}\n".encode())
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None
    begin(folder)


def _is_other(path: Path) -> bool:
    return not (atomic_file.is_draft(path) or is_of_system(path))


def begin(folder: Path) -> None:
    """Marks a folder as not whole, and removes what a run that was killed has left half written; raises InputError."""
    atomic_file.sweep(folder)
    try:
        atomic_file.replace(folder / UNFINISHED, _NOT_WHOLE.encode())
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None


def finish(folder: Path) -> None:
    """The folder is whole: its UNFINISHED.txt is gone."""
    (folder / UNFINISHED).unlink(missing_ok=True)


def write_image(path: Path, image: np.ndarray) -> None:
    """(H, W) or (H, W, 3) RGB as PNG: uint8 and uint16 as they are, bool as 0 and 255, floats in [0, 1] as 16 bits.

    8-bit levels that were divided by 255 are kept exactly. Makes the folder. Raises InputError if it can't be written.
    """
    write_bytes(path, png(image))


def png(image: np.ndarray) -> bytes:
    """The same as the content of a PNG file; (H, W, 4) is RGB and opacity."""
    levels = _levels(image)
    if levels.ndim == 3:
        levels = cv2.cvtColor(levels, cv2.COLOR_RGBA2BGRA if levels.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", levels)
    return encoded.tobytes()


def write_values(path: Path, values: np.ndarray) -> None:
    """(H, W) float32 as they are, as TIFF or NPY by the suffix. Makes the folder; raises InputError."""
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, values, allow_pickle=False)
    else:
        Image.fromarray(values).save(content, "TIFF")
    write_bytes(path, content.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """A file of that content. Makes the folder; raises InputError if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.replace(path, content, is_durable=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _levels(image: np.ndarray) -> np.ndarray:
    if image.dtype == bool:
        return np.where(image, 255, 0).astype(np.uint8)
    if image.dtype.kind == "f":
        return np.asarray(np.rint(np.clip(image, 0, 1) * 65535), np.uint16)
    return image

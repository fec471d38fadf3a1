"""Several images as one PNG, or one after the other as an animation."""

import io
import math
from pathlib import Path

import numpy as np

_GAP_PX = 2
_SMALL_PX = 128  # images below are shown enlarged
_FRAME_MS = 80


def write_grid(path: Path, images: np.ndarray) -> None:
    """Images (n, H, W, C) in [0, 1] side by side, about as wide as high; raises InputError."""
    pictures = _pictures(images)
    n, height, width, _ = pictures.shape
    columns = min(n, math.ceil(math.sqrt(n * height / width)))
    sheet = np.full((-(-n // columns) * (height + _GAP_PX), columns * (width + _GAP_PX), 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        y, x = number // columns * (height + _GAP_PX), number % columns * (width + _GAP_PX)
        sheet[y : y + height, x : x + width] = picture
    _write(path, sheet[None, :-_GAP_PX, :-_GAP_PX], "PNG")


def write_animation(path: Path, images: np.ndarray) -> None:
    """Images (n, H, W, C) in [0, 1] one after the other, there and back; a GIF, or a PNG; raises InputError."""
    pictures = _pictures(images)
    _write(path, np.concatenate([pictures, pictures[-2:0:-1]]), "GIF" if path.suffix.lower() == ".gif" else "PNG")


def _pictures(images: np.ndarray) -> np.ndarray:
    """(n, H, W, C) in [0, 1] -> (n, h, w, 3) uint8; small ones enlarged by a whole number, so that pixels stay."""
    from urushi.reporting.pictures import rgb_bytes

    times = max(1, _SMALL_PX // max(images.shape[1:3]))
    return np.stack([rgb_bytes(image).repeat(times, axis=0).repeat(times, axis=1) for image in images])


def _write(path: Path, frames: np.ndarray, kind: str) -> None:
    from PIL import Image

    from urushi import atomic_file
    from urushi.errors import InputError

    first, *others = (Image.fromarray(frame) for frame in frames)
    animated = {"save_all": True, "append_images": others, "duration": _FRAME_MS, "loop": 0} if others else {}
    buffer = io.BytesIO()
    first.save(buffer, kind, **animated)
    try:
        atomic_file.replace(path, buffer.getvalue())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None

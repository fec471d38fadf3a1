"""Reads one image, from a file or from memory, and says in one line why it cannot be read.

A damaged, hostile or absurdly large file never does more than raise UnreadableImageError.
"""

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from urushi.data._files import decode
from urushi.data._pillow import from_pillow
from urushi.data._pixels import RefusalError, from_array, from_tensor
from urushi.data._quiet import quiet_decoders
from urushi.errors import UnreadableImageError

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".webp", ".dcm", ".dicom"),
)
MAX_PIXELS = 178_000_000


class Tensor(Protocol):
    """A tensor of torch, as far as this torch-free module needs to know it."""

    def detach(self) -> Any: ...
    def cpu(self) -> Any: ...
    def numpy(self) -> Any: ...


ImageSource = str | Path | np.ndarray | Image.Image | Tensor


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The upright image as (H, W) grey or (H, W, 3) RGB of uint8, uint16 or float32, its bit depth preserved.

    Alpha is dropped, palette and CMYK become RGB, one bit becomes 0 and 255, a multi-page TIFF gives its first page.
    DICOM gives its first frame: unsigned levels fill uint8 or uint16, signed or rescaled values become float32.
    Arrays are (H, W) or channels-last, tensors (H, W) or (C, H, W); of either, the result may share the memory.
    Integers other than uint8 become uint16, whatever their values. max_pixels limits what is decoded.

    Raises UnreadableImageError.
    """
    try:
        with quiet_decoders():
            return _pixels(source, max_pixels)
    except RefusalError as refusal:
        raise UnreadableImageError(name_of(source), str(refusal)) from refusal
    except Exception as error:  # decoders raise nearly every exception there is on a damaged file
        raise UnreadableImageError(name_of(source), _reason(error)) from error


def name_of(source: object) -> str:
    """The path of a source exactly as given, or '<array>', '<image>', '<tensor>' for what is in memory."""
    if isinstance(source, (str, Path)):
        return str(source)
    if isinstance(source, np.ndarray):
        return "<array>"
    if isinstance(source, Image.Image):
        return "<image>"
    return "<tensor>" if _is_tensor(source) else f"<{type(source).__name__}>"


def _pixels(source: ImageSource, max_pixels: int) -> np.ndarray:
    if isinstance(source, (str, Path)):
        return decode(Path(source), max_pixels)
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return from_pillow(source, max_pixels)
    if _is_tensor(source):
        return from_tensor(source)
    kind = type(source).__name__
    raise RefusalError(f"a {kind} is no image; give a path, a NumPy array, a Pillow image or a tensor")


def _is_tensor(source: object) -> bool:
    return all(hasattr(source, name) for name in ("detach", "cpu", "numpy"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return f"damaged or truncated: {'decoder error ' if detail.lstrip('-').isdigit() else ''}{detail}"


def luminance(image: np.ndarray) -> float:
    """Mean intensity of an image of any depth, in shares of its full scale (S2 eq. 6.15); floats as they are."""
    full_scale = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0
    return float(image.mean(dtype=np.float64)) / full_scale

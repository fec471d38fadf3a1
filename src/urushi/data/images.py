"""Reads one image, from a file or from memory, and says in one line why it cannot be read.

A damaged, hostile or absurdly large file never does more than raise UnreadableImageError.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image

from urushi.data._files import decode, stated_bits
from urushi.data._pillow import from_pillow
from urushi.data._pixels import RefusalError, at_depth, from_array, from_tensor
from urushi.data._quiet import quiet_decoders
from urushi.data.limits import in_time
from urushi.data.limits import max_pixels as most_pixels
from urushi.errors import InputError, UnreadableImageError

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".webp", ".dcm", ".dicom"),
)


class Tensor(Protocol):
    """A tensor of torch, as far as this torch-free module needs to know it."""

    def detach(self) -> Any: ...
    def cpu(self) -> Any: ...
    def numpy(self) -> Any: ...


ImageSource: TypeAlias = "str | Path | np.ndarray | Image.Image | Tensor | Stated"


@dataclass(frozen=True, eq=False)
class Stated:
    """An image of which is said what nothing in it says; raises InputError for bits that are not 1…16."""

    source: ImageSource
    bits: int | None = None  # white is 2^bits − 1, be they stored in 16 bits, in wider integers or in floats
    bgr: bool = False  # the channels of an array or tensor are blue, green, red; files say their order themselves
    group: str | None = None  # the product that it shows, whatever a recipe makes of its name

    def __post_init__(self) -> None:
        if self.bits is not None and not (isinstance(self.bits, int) and 1 <= self.bits <= 16):
            raise InputError(f"bits = {self.bits!r}: give the bits a channel as a whole number from 1 to 16")

    @classmethod
    def of(cls, source: ImageSource, *, bits: int | None = None, bgr: bool = False) -> "Stated":
        """A source with what is said of it, unless it was said before."""
        if isinstance(source, Stated):
            said = (source.bits or bits, source.bgr or bgr, source.group)
            return cls(source.source, *said) if bits or bgr else source
        return cls(source, bits, bgr)


def as_stated(sources: Iterable[ImageSource], *, bits: int | None, bgr: bool) -> Iterator[ImageSource]:
    """Each source with what is said of all; raises InputError for bits that are not 1…16."""
    Stated("", bits)  # said at once, and not with the first image
    return (Stated.of(source, bits=bits, bgr=bgr) if bits or bgr else source for source in sources)


def read_image(source: ImageSource, *, max_pixels: int | None = None) -> np.ndarray:
    """The upright image as (H, W) grey or (H, W, 3) RGB of uint8, uint16 or float32, its bit depth preserved.

    Alpha is dropped, palette and CMYK become RGB, one bit becomes 0 and 255. Depths that a header states (10 or 12 bits
    in PGM, TIFF, DICOM) or that are `Stated` fill uint8 or uint16; signed or rescaled values of DICOM become float32.
    Of a file of several images one must be named: stack.tif#2. Arrays are (H, W) or channels-last in RGB order, tensors
    (H, W) or (C, H, W); of either, the result may share the memory. Integers of other types become uint8 if all fit,
    else uint16 if all fit. max_pixels, of up to 4 bytes each, limits what is decoded; None: the limit of this process.

    Raises UnreadableImageError.
    """
    stated = Stated.of(source)
    try:
        with quiet_decoders():
            return _as_stated(stated, most_pixels() if max_pixels is None else max_pixels)
    except RefusalError as refusal:
        raise UnreadableImageError(name_of(source), str(refusal)) from refusal
    except Exception as error:  # decoders raise nearly every exception there is on a damaged file
        raise UnreadableImageError(name_of(source), _reason(error)) from error


def name_of(source: object) -> str:
    """The path of a source exactly as given, or '<array>', '<image>', '<tensor>' for what is in memory."""
    if isinstance(source, Stated):
        return name_of(source.source)
    if isinstance(source, (str, Path)):
        return str(source)
    if isinstance(source, np.ndarray):
        return "<array>"
    if isinstance(source, Image.Image):
        return "<image>"
    return "<tensor>" if _is_tensor(source) else f"<{type(source).__name__}>"


def _as_stated(stated: Stated, max_pixels: int) -> np.ndarray:
    source, bits = stated.source, stated.bits
    if isinstance(source, (str, Path)):
        return in_time(lambda: _from_file(Path(source), bits, max_pixels))
    if isinstance(source, np.ndarray):
        return from_array(source, bits=bits, bgr=stated.bgr)
    if isinstance(source, Image.Image):
        return from_pillow(source, max_pixels, bits)
    if _is_tensor(source):
        return from_tensor(source, bits=bits, bgr=stated.bgr)
    kind = type(source).__name__
    raise RefusalError(f"a {kind} is no image; give a path, a NumPy array, a Pillow image or a tensor")


def _from_file(path: Path, bits: int | None, max_pixels: int) -> np.ndarray:
    header_bits = None if bits is None else stated_bits(path)
    return at_depth(decode(path, max_pixels), bits, header_bits)


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

"""Decodes one file, and believes nothing that it says: kind of file, size and format are checked before any pixel."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from urushi.data._deep import by_opencv, is_misread, is_scaled_netpbm, odd_tiff, scaled_netpbm
from urushi.data._dicom import DICOM_MARK, DICOM_SUFFIXES, MARK_OFFSET, decode_dicom
from urushi.data._pillow import orientation_of, pixels_of
from urushi.data._pixels import RefusalError, refuse_larger, upright

T = TypeVar("T")

# The readers are called directly, not through Image.open: that would try every format Pillow knows (EPS, PSD, …) and
# apply Pillow's own limit of pixels, which is global.
_READERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"BM", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
    (rb"P[1-6]\s", PpmImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
)


def decode(path: Path, max_pixels: int) -> np.ndarray:
    """The upright pixels of a file; raises RefusalError, OSError and whatever the decoders raise on damaged files."""
    _refuse_unless_regular(path)
    with path.open("rb") as file:
        reader = _reader(file, path.suffix.lower())
        if reader is None:
            return decode_dicom(file, max_pixels)
        try:
            image = reader(file)
        except SyntaxError:  # Pillow's word for "I do not know this"
            if reader is TiffImageFile:
                return odd_tiff(file, max_pixels)
            raise
        refuse_larger(*image.size, max_pixels)
        return _decoded(file, image)


def ask_header(path: Path, question: Callable[[ImageFile], T]) -> T | None:
    """The answer about a file that is open but not yet decoded, None where Pillow does not read it."""
    _refuse_unless_regular(path)
    with path.open("rb") as file:
        reader = _reader(file, path.suffix.lower())
        try:
            return None if reader is None else question(reader(file))
        except SyntaxError:  # Pillow's word for "I do not know this"
            return None


def _decoded(file: BinaryIO, image: ImageFile) -> np.ndarray:
    if is_scaled_netpbm(image):
        return scaled_netpbm(file, image)
    misread = is_misread(image)
    image.load()  # also where OpenCV decodes: only Pillow finds out that a file is truncated
    stored = by_opencv(file, image) if misread else pixels_of(image)
    if stored.shape[:2] != (image.height, image.width):
        raise RefusalError(f"damaged: {image.width} × {image.height} pixels by its header, {stored.shape} decoded")
    # Both decoders have turned a TIFF already.
    return stored if image.format == "TIFF" else upright(stored, orientation_of(image))


def _refuse_unless_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise RefusalError("is a directory")
    if not stat.S_ISREG(mode):
        raise RefusalError("is no regular file")  # opening a FIFO would wait for ever


def _reader(file: BinaryIO, suffix: str) -> type[ImageFile] | None:
    """Pillow's reader for the signature of a file, None for DICOM."""
    start = file.read(MARK_OFFSET + len(DICOM_MARK))
    file.seek(0)
    if not start:
        raise RefusalError("the file is empty (zero bytes)")
    if start[MARK_OFFSET:] == DICOM_MARK:  # first: what is before it is free, and may look like a TIFF
        return None
    for signature, reader in _READERS:
        if re.match(signature, start, re.DOTALL):
            return reader
    if suffix in DICOM_SUFFIXES:  # old files have no mark
        return None
    raise RefusalError("not an image, or not in a supported format (PNG, JPEG, BMP, TIFF, PGM, PPM, WebP, DICOM)")

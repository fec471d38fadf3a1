"""Decodes one file, and believes nothing that it says: kind of file, size and format are checked before any pixel."""

import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from urushi.data._deep import (
    by_opencv,
    is_misread,
    is_scaled_netpbm,
    netpbm_bits,
    refuse_further_netpbm,
    scaled_netpbm,
)
from urushi.data._dicom import DICOM_MARK, DICOM_SUFFIXES, MARK_OFFSET, count_frames, decode_dicom, stored_bits
from urushi.data._endless import refuse_endless_header
from urushi.data._jpeg import load_whole
from urushi.data._odd_tiff import odd_tiff, pixels_of_tiff
from urushi.data._pages import (
    MAX_FRAMES,
    Listing,
    as_multi_picture,
    listed,
    listing_of_frames,
    listing_of_jpeg,
    listing_of_tiff,
    located,
    tiff_pages,
)
from urushi.data._pillow import bytes_per_pixel, orientation_of, pixels_of
from urushi.data._pixels import RefusalError, refuse_larger, upright
from urushi.data._tiff import BITS, HEIGHT, WIDTH, alone, bytes_of_pixel, read_tags, refuse_missing
from urushi.data.limits import in_time, memory

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
_SINGLE = (BmpImageFile, PpmImageFile)


def decode(path: Path, max_pixels: int) -> np.ndarray:
    """The upright pixels of a file of one image, or of one page (x.tif#2).

    Raises RefusalError, OSError and whatever the decoders raise on damaged files.
    """
    place, number = located(path)
    with _opened(place) as (file, reader):
        if reader is None:
            frame = listing_of_frames(count_frames(file)).chosen(place, number)
            return decode_dicom(file, max_pixels, frame - 1)
        if reader is TiffImageFile:
            page = _page_of_tiff(file, place, number)
            tags = read_tags(page)
            with memory(int(tags[WIDTH]), int(tags[HEIGHT]), bytes_of_pixel(tags), max_pixels):
                pixels = pixels_of_tiff(page, max_pixels, _tiff)
            refuse_missing(tags)
            return pixels
        image = reader(file)
        refuse_larger(*image.size, max_pixels)
        image = _at(image, place, number)
        refuse_larger(*image.size, max_pixels)  # pictures of one file may differ in size
        with memory(*image.size, bytes_per_pixel(image), max_pixels):
            return _decoded(file, image)


def stated_bits(path: Path) -> int | None:
    """The bits a channel that a header states where they are not those of the type; they are stretched when decoded."""
    place, number = located(path)
    with _opened(place) as (file, reader):
        if reader is None:
            return stored_bits(file)
        if reader is TiffImageFile:
            bits = read_tags(_page_of_tiff(file, place, number)).get(BITS, (1,))
            return 12 if bits == (12,) else None
        return netpbm_bits(reader(file)) if reader is PpmImageFile else None


def listing_of(path: Path) -> Listing:
    """The images in a file; one that cannot be looked at, or is itself a page, is one."""
    place, number = located(path)
    return Listing() if number else listed(lambda: in_time(lambda: _listing(place)))


def ask_header(path: Path, question: Callable[[ImageFile], T]) -> T | None:
    """The answer about a file or page that is open but not yet decoded, None where Pillow does not read it."""
    place, number = located(path)
    with _opened(place) as (file, reader):
        try:
            if reader is TiffImageFile:
                return question(reader(_page_of_tiff(file, place, number)))
            return None if reader is None else question(_at(reader(file), place, number))
        except SyntaxError:  # Pillow's word for "I do not know this"
            return None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, type[ImageFile] | None]]:
    _refuse_unless_regular(path)
    with path.open("rb") as file:
        reader = _reader(file, path.suffix.lower())
        if reader is PpmImageFile:
            refuse_endless_header(file)
        yield file, reader


def _listing(path: Path) -> Listing:
    with _opened(path) as (file, reader):
        if reader is None:
            return listing_of_frames(count_frames(file))
        if reader is TiffImageFile:
            return listing_of_tiff(tiff_pages(path))
        return Listing() if reader in _SINGLE else _listing_of(as_multi_picture(reader(file)))


def _listing_of(image: ImageFile) -> Listing:
    if isinstance(image, JpegImageFile):
        return listing_of_jpeg(image)
    return listing_of_frames(getattr(image, "n_frames", 1), MAX_FRAMES)


def _page_of_tiff(file: BinaryIO, path: Path, number: int | None) -> BinaryIO:
    """The file itself where it has one page, else the page as a file of its own; raises RefusalError."""
    pages = tiff_pages(path)
    chosen = listing_of_tiff(pages).chosen(path, number)
    if len(pages) <= 1:
        return file
    page = pages[chosen - 1]
    if page.damage:
        raise RefusalError(page.damage)
    return alone(file, read_tags(file, page.offset))


def _at(image: ImageFile, path: Path, number: int | None) -> ImageFile:
    """An image or animation at one of its frames; raises RefusalError."""
    image = as_multi_picture(image)
    image.seek(_listing_of(image).chosen(path, number) - 1)
    return image


def _tiff(file: BinaryIO) -> np.ndarray:
    file.seek(0)
    try:
        image = TiffImageFile(file)
    except SyntaxError:  # Pillow's word for "I do not know this"
        return odd_tiff(file)
    return _decoded(file, image)


def _decoded(file: BinaryIO, image: ImageFile) -> np.ndarray:
    refuse_further_netpbm(file, image)
    if is_scaled_netpbm(image):
        return scaled_netpbm(file, image)
    misread = is_misread(image)
    if type(image) is JpegImageFile:
        file.seek(0)
        load_whole(image, file.read())
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

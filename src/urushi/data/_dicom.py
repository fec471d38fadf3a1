"""DICOM: pydicom parses and decodes; every size in the header is checked first, and nothing but the one file is read.

Which values come out, and why, is said in `decode_dicom`.
"""

import io
import logging
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from urushi.catalogue import extras
from urushi.data._endless import refuse_endless_boxes
from urushi.data._jpeg import load_whole
from urushi.data._pixels import RefusalError, filling, refuse_larger, with_depth
from urushi.data.limits import memory
from urushi.errors import MissingPackageError

if TYPE_CHECKING:  # imported when the first DICOM file is met: it is an optional package
    from pydicom import Dataset
    from pydicom.uid import UID

DICOM_SUFFIXES = frozenset((".dcm", ".dicom"))
DICOM_MARK, MARK_OFFSET = b"DICM", 128
_DEFLATED = "1.2.840.10008.1.2.1.99"  # would be inflated whole before any size in it is known
_RLE = "1.2.840.10008.1.2.5"
_KEYWORDS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
_N_SAMPLES = {"MONOCHROME1": 1, "MONOCHROME2": 1} | dict.fromkeys(
    ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"), 3
)
_TAGS = {  # what is read of the header
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "PlanarConfiguration": 0x00280006,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
}
_UNDEFINED = 0xFFFFFFFF
_IGNORE_PYDICOM = ("ignore", None, Warning, re.compile(r"pydicom\."), 0)
_LOGGERS = ("pydicom", "pydicom.pixels.decoders.base", "pydicom.pixels.utils")


def count_frames(file: BinaryIO) -> int:
    """How many frames a DICOM file says it has; raises RefusalError and whatever pydicom raises on damaged files."""
    _require_pydicom()
    with _quiet_pydicom():
        return _read_header(cast(BinaryIO, _BoundedFile(file))).n_frames


def stored_bits(file: BinaryIO) -> int | None:
    """The bits a channel that a DICOM file states; None for those of its type and for quantities."""
    _require_pydicom()
    with _quiet_pydicom():
        header = _read_header(cast(BinaryIO, _BoundedFile(file)))
    is_quantity = header.is_signed or header.bits_stored > 16 or (header.slope, header.intercept) != (1, 0)
    return None if is_quantity or header.bits_stored in (8, 16) else header.bits_stored


def decode_dicom(file: BinaryIO, max_pixels: int, frame: int = 0) -> np.ndarray:
    """One frame of a DICOM file; raises RefusalError and whatever pydicom raises on damaged files.

    Unsigned values without a rescaling are grey levels: the depth that the header declares fills uint8 (up to 8 bits)
    or uint16, so that white is white, as with PGM: 12 bits become 0…65535, all levels stay apart, and `scale` works.
    Signed or rescaled values are quantities, such as Hounsfield units: float32 of slope × stored + intercept. So are
    those of more than 16 bits. They lie outside 0…1, which the step `scale` refuses; the step `min_max` takes them.
    MONOCHROME1 is inverted within the declared range, before any rescaling. Windows, look-up tables, overlays and the
    rescaling of single frames are not applied.
    """
    _require_pydicom()
    with _quiet_pydicom():
        bounded = cast(BinaryIO, _BoundedFile(file))
        header = _read_header(bounded)
        refuse_larger(header.columns, header.rows, max_pixels)
        with memory(header.columns, header.rows, header.n_bytes_of_pixel, max_pixels):
            return _values(header, _decoded(bounded, header, frame))


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What the header says of the pixels, in the range in which it can be true; the sizes are still unchecked."""

    syntax: "UID"
    keyword: str
    vr: str
    n_bytes: int
    photometric: str
    rows: int
    columns: int
    n_frames: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    planar_configuration: int
    slope: float
    intercept: float

    @property
    def n_samples(self) -> int:
        return _N_SAMPLES[self.photometric]

    @property
    def n_bytes_of_pixel(self) -> float:
        """Of all channels; quantities become 64-bit floats on their way."""
        return self.n_samples * max(self.bits_allocated / 8, 8.0 if self.is_signed or self.slope != 1 else 1.0)

    def n_bytes_of(self, n_frames: int) -> int:
        """The uncompressed size of so many frames."""
        n_values = self.rows * self.columns * self.n_samples * n_frames
        is_subsampled = self.photometric == "YBR_FULL_422" and not self.syntax.is_encapsulated
        return -(-(n_values * 2 // 3 if is_subsampled else n_values) * self.bits_allocated // 8)


class _BoundedFile:
    """A file that reads no more than there is: Python allocates all that a hostile length asks for."""

    def __init__(self, file: BinaryIO) -> None:
        self._read, self.seek, self.tell = file.read, file.seek, file.tell
        self._n_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, n_bytes: int = -1) -> bytes:
        n_left = max(self._n_bytes - self.tell(), 0)
        return self._read(n_left if n_bytes < 0 else min(n_bytes, n_left))


def _require_pydicom() -> None:
    try:
        extras.require("pydicom", "dicom")
    except MissingPackageError as error:
        raise RefusalError(str(error)) from error


# --- the header -------------------------------------------------------------------------------------------------------


def _read_header(file: BinaryIO) -> _Header:
    from pydicom.filereader import read_dataset

    file.seek(MARK_OFFSET)
    if file.read(len(DICOM_MARK)) != DICOM_MARK:
        file.seek(0)  # files older than the mark start with the data set
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = _syntax(meta)
    is_implicit = syntax.is_implicit_VR if "TransferSyntaxUID" in meta else True  # pydicom notices explicit ones
    tags: list[Any] = list(_TAGS.values())
    data = read_dataset(
        file,
        is_implicit,
        syntax.is_little_endian,
        stop_when=lambda tag, _vr, _length: tag in _KEYWORDS,
        specific_tags=tags,
    )
    return _header_of(data, syntax, *_pixel_element(file, data))


def _syntax(meta: "Dataset") -> "UID":
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID, ExplicitVRLittleEndian

    syntax = UID(str(meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)))
    try:
        is_available = syntax != _DEFLATED and get_decoder(syntax).is_available
    except NotImplementedError:
        is_available = False
    if not is_available:
        raise RefusalError(f"the transfer syntax {syntax.name!r:.80} cannot be decoded here; save it uncompressed")
    return syntax


def _pixel_element(file: BinaryIO, data: "Dataset") -> tuple[str, str, int]:
    """Keyword, value representation and number of bytes of the pixels, at whose first byte the file then stands."""
    is_implicit, is_little_endian = data.original_encoding
    form = ("<" if is_little_endian else ">") + ("HHL" if is_implicit else "HH2s2xL")
    start = file.read(struct.calcsize(form))
    if len(start) < struct.calcsize(form):
        raise RefusalError("no image: the DICOM file holds no pixel data, or is truncated before them")
    group, element, *vr, n_bytes = struct.unpack(form, start)
    name = vr[0].decode("latin-1") if vr else "OW"
    if name not in ("OB", "OW", "OF", "OD", "UN"):
        raise RefusalError(f"damaged: pixel data of the value representation {name!r}")
    return _KEYWORDS[group << 16 | element], name, n_bytes


def _header_of(data: "Dataset", syntax: "UID", keyword: str, vr: str, n_bytes: int) -> _Header:
    bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword)
    bits_allocated = bits or _one_of(data, "BitsAllocated", (1, 8, 16, 32))
    bits_stored = bits or _one_of(data, "BitsStored", range(1, bits_allocated + 1))
    _one_of(data, "HighBit", (bits_stored - 1,), bits_stored - 1)
    photometric = _one_of(data, "PhotometricInterpretation", tuple(_N_SAMPLES))
    _one_of(data, "SamplesPerPixel", (_N_SAMPLES[photometric],))
    if photometric.startswith("YBR") and (bits_allocated, bits_stored) != (8, 8):
        raise RefusalError(f"{photometric} of {bits_stored} bits is not supported; save it as RGB")
    if bits and photometric != "MONOCHROME2":
        raise RefusalError(f"float pixels in {photometric} are not supported; save them as MONOCHROME2")
    return _Header(
        syntax=syntax,
        keyword=keyword,
        vr=vr,
        n_bytes=n_bytes,
        photometric=photometric,
        rows=_one_of(data, "Rows", range(2**16)),
        columns=_one_of(data, "Columns", range(2**16)),
        n_frames=_one_of(data, "NumberOfFrames", range(1, 2**31), 1),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        is_signed=not bits and bool(_one_of(data, "PixelRepresentation", (0, 1))),
        planar_configuration=_one_of(data, "PlanarConfiguration", (0, 1), 0),
        slope=_number(data, "RescaleSlope", 1),
        intercept=_number(data, "RescaleIntercept", 0),
    )


def _one_of(data: "Dataset", keyword: str, allowed: range | tuple[Any, ...], default: object = None) -> Any:
    value = data.get(keyword)
    value = default if value is None else value
    value = int(value) if isinstance(value, int) else value  # a range is searched one by one for all but plain ints
    if not isinstance(value, int if isinstance(allowed, range) else (int, str)) or value not in allowed:
        wanted = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        raise RefusalError(f"{keyword} is {value!r:.40}; supported: {wanted}")
    return value


def _number(data: "Dataset", keyword: str, default: float) -> float:
    value = data.get(keyword)
    number = default if value is None else float(value)
    if not np.isfinite(number) or (keyword == "RescaleSlope" and number == 0):
        raise RefusalError(f"damaged: {keyword} is {number}")
    return number


# --- the pixels -------------------------------------------------------------------------------------------------------


def _decoded(file: BinaryIO, header: _Header, frame: int) -> np.ndarray:
    from pydicom.pixels.decoders.base import get_decoder

    (_refuse_dishonest_frame if header.syntax.is_encapsulated else _refuse_truncated)(file, header, frame)
    array, properties = get_decoder(header.syntax).as_array(file, index=frame, **_options(header))
    shape = (header.rows, header.columns) + ((3,) if header.n_samples == 3 else ())
    if array.shape != shape or (header.n_samples == 3 and properties["photometric_interpretation"] != "RGB"):
        raise RefusalError(f"damaged: its header says {header.photometric} of {shape}, decoded to {array.shape}")
    return array


def _options(header: _Header) -> dict[str, Any]:
    return {
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": header.n_frames,
        "samples_per_pixel": header.n_samples,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": int(header.is_signed),
        "photometric_interpretation": header.photometric,
        "planar_configuration": header.planar_configuration,
        "pixel_keyword": header.keyword,
        "pixel_vr": header.vr,
    }


def _refuse_truncated(file: BinaryIO, header: _Header, frame: int) -> None:
    start = file.tell()
    n_left = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    n_wanted = header.n_bytes_of(frame + 1)
    if min(n_left, header.n_bytes) < n_wanted:
        raise RefusalError(f"truncated: {min(n_left, header.n_bytes)} of {n_wanted} bytes of pixels")


def _refuse_dishonest_frame(file: BinaryIO, header: _Header, index: int) -> None:
    """Refuses a compressed frame whose own size is not that of the header, before a decoder believes it."""
    from pydicom.encaps import get_frame

    start = file.tell()
    frame = get_frame(file, index, number_of_frames=header.n_frames)
    file.seek(start)
    if header.syntax == _RLE:
        _refuse_dishonest_rle(len(frame), header.n_bytes_of(1))
        return
    refuse_endless_boxes(frame)
    try:
        with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as image:
            size = image.size
            if isinstance(image, JpegImageFile) and size == (header.columns, header.rows):
                load_whole(image, frame)
    except UnidentifiedImageError as error:
        raise RefusalError(f"damaged, or an unsupported kind of {header.syntax.name!r:.80}") from error
    if size != (header.columns, header.rows):
        raise RefusalError(f"damaged: {header.columns} × {header.rows} pixels by its header, {size} in the frame")


def _refuse_dishonest_rle(n_encoded: int, n_bytes: int) -> None:
    # A run codes up to 128 bytes in two; at the worst a byte takes two.
    if not n_bytes / 64 <= n_encoded <= 2 * n_bytes + 128:
        raise RefusalError(f"damaged: {n_encoded} bytes of RLE for {n_bytes} bytes of pixels")


def _values(header: _Header, array: np.ndarray) -> np.ndarray:
    """The stored values as Urushi wants them; see `decode_dicom`."""
    is_rescaled = header.n_samples == 1 and (header.slope, header.intercept) != (1, 0)
    if header.photometric == "MONOCHROME1":
        lowest = -(2 ** (header.bits_stored - 1)) if header.is_signed else 0
        array = 2 * lowest + 2**header.bits_stored - 1 - array.astype(np.int64)
    if array.dtype.kind == "f" or is_rescaled or header.is_signed or header.bits_stored > 16:
        return with_depth(_rescaled(array, header) if is_rescaled else array.astype(np.float64))
    return with_depth(filling(array, header.bits_stored))


def _rescaled(array: np.ndarray, header: _Header) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused afterwards
        return np.asarray(array * np.float64(header.slope) + header.intercept)


# --- silence ----------------------------------------------------------------------------------------------------------


@contextmanager
def _quiet_pydicom() -> Iterator[None]:
    """Silences pydicom's warnings, and its log in this thread; each thread adds and removes an entry of its own."""
    me = threading.get_ident()

    def is_from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != me

    filters = cast("list[Any]", warnings.filters)  # not filterwarnings(): see _quiet.py
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    filters.insert(0, _IGNORE_PYDICOM)
    for logger in loggers:
        logger.addFilter(is_from_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_from_elsewhere)
        if _IGNORE_PYDICOM in warnings.filters:  # someone else may have replaced the list meanwhile
            filters.remove(_IGNORE_PYDICOM)

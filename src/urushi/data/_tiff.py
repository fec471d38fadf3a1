"""The directories of a TIFF, and one of them as a file of its own; nothing is believed before it is checked.

A TIFF is a chain of directories, one for each page; what is not of the main chain (SubIFDs) is no page.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from urushi.data._pixels import RefusalError

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, N_SAMPLES, PREDICTOR = 256, 257, 258, 259, 262, 277, 317
DESCRIPTION, DEPTH = 270, 32997
PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT = 284, 338, 339
SEPARATE, UNSIGNED, SIGNED = 2, 1, 2
OFFSETS_AND_SIZES = ((273, 279), (324, 325))  # of strips, of tiles
# What decoding needs: the tags above, fax options, fill order, orientation, colour map, JPEG tables and YCbCr.
_OF_PIXELS = (*range(256, 260), 262, 266, 273, 274, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326))
_OF_PIXELS += (332, 338, 339, 347, 529, 530, 531, 532, DEPTH)
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _SUB_DIRECTORIES = 254, 255, 330
_REDUCED, _TRANSPARENCY, _OLD_REDUCED = 1, 4, 2
_LONG, _LONG8 = 4, 16
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_OLD_JPEG = 6


@dataclass(frozen=True)
class Directory:
    """One directory of the main chain."""

    offset: int
    width: int = 0
    height: int = 0
    is_reduced: bool = False  # it says itself that it is a smaller copy of another, or a mask of one
    n_inner: int = 0  # directories below it
    damage: str = ""  # why it cannot be read


def directories(file: BinaryIO) -> Iterator[Directory]:
    """The main chain of a TIFF; where it breaks off or runs in a circle, the last one says so."""
    file.seek(0)
    form = _form(file.read(8))
    file.seek(form.first_at)
    (offset,) = struct.unpack(form.offset, file.read(form.offset_bytes).ljust(form.offset_bytes, b"\0"))
    seen: set[int] = set()
    while offset:
        if offset in seen:
            yield Directory(offset, damage="damaged: the chain of its pages runs in a circle")
            return
        seen.add(offset)
        try:
            found, offset = _directory(file, offset, form)
        except (struct.error, OverflowError, OSError):
            yield Directory(offset, damage="damaged: the chain of its pages breaks off here; what came after is lost")
            return
        yield found


def read_tags(file: BinaryIO, offset: int | None = None) -> Any:  # Pillow's directory of tags is typed as Any
    """The tags of the directory at an offset, or of the first."""
    file.seek(0)
    header = file.read(8)
    header += file.read(8) if b"+" in header[2:4] else b""  # a BigTIFF
    tags = ImageFileDirectory_v2(header)
    file.seek(tags.next if offset is None else offset)
    tags.load(file)
    return tags


def alone(file: BinaryIO, tags: Any, changes: Mapping[int, Any] = {}) -> io.BytesIO:
    """A TIFF in memory of the one picture that tags describe, some of them changed (None: left out).

    Raises RefusalError if its data would reach beyond the end of the file, or be larger than the file.
    """
    if tags.get(COMPRESSION) == _OLD_JPEG:
        raise RefusalError("old-style JPEG in a TIFF, of which parts lie elsewhere; save it with another compression")
    offsets, sizes = next((pair for pair in OFFSETS_AND_SIZES if pair[0] in tags), OFFSETS_AND_SIZES[0])
    pieces = list(zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=True))
    _refuse_truncated(pieces, file.seek(0, io.SEEK_END))
    order = "<" if tags.prefix == b"II" else ">"
    made = ImageFileDirectory_v2(tags.prefix + struct.pack(f"{order}HL", 42, 8))
    wanted = {tag: tags[tag] for tag in _OF_PIXELS if tag in tags} | dict(changes)
    for tag, value in wanted.items():
        if value is not None:
            made.tagtype[tag] = _LONG if tag in (offsets, sizes) else _type(tags.tagtype.get(tag, _LONG))
            made[tag] = value
    data = [_piece(file, start, size) for start, size in pieces]
    places = [0, *accumulate(map(len, data))][:-1]
    made[offsets] = tuple(places)
    start = 0 if offsets == OFFSETS_AND_SIZES[0][0] else 8 + len(made.tobytes(8))  # Pillow moves strips by itself
    made[offsets] = tuple(start + place for place in places)
    return io.BytesIO(b"".join((tags.prefix, struct.pack(f"{order}HL", 42, 8), made.tobytes(8), *data)))


def refuse_truncated(file: BinaryIO, tags: Any) -> None:
    """Raises RefusalError if the data of a picture reach beyond the end of the file: OpenCV returns half of it."""
    n_bytes = file.seek(0, io.SEEK_END)
    for offsets, sizes in OFFSETS_AND_SIZES:
        _refuse_truncated(list(zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=True)), n_bytes)


@dataclass(frozen=True)
class _Form:
    """How numbers lie in a TIFF of one kind."""

    first_at: int
    offset: str
    offset_bytes: int
    count: str
    entry: str  # tag, type, number of values, the value or where the values are


def _form(header: bytes) -> _Form:
    order = "<" if header[:2] == b"II" else ">"
    if b"+" in header[2:4]:
        return _Form(8, f"{order}Q", 8, f"{order}Q", f"{order}HHQ8s")
    return _Form(4, f"{order}L", 4, f"{order}H", f"{order}HHL4s")


def _directory(file: BinaryIO, offset: int, form: _Form) -> tuple[Directory, int]:
    """A directory and the offset of the next; raises struct.error where the file ends."""
    file.seek(offset)
    (n,) = struct.unpack(form.count, file.read(struct.calcsize(form.count)))
    size = n * struct.calcsize(form.entry)
    data = file.read(size) if size < 1 << 20 else b""  # 65,535 entries are all that a TIFF may have
    found = {tag: (n_values, _number(kind, value, form)) for tag, kind, n_values, value in _entries(data, size, form)}
    (following,) = struct.unpack(form.offset, file.read(form.offset_bytes))
    (_, width), (_, height) = found.get(WIDTH, (1, 0)), found.get(HEIGHT, (1, 0))
    kind, old = found.get(_SUBFILE_TYPE, (1, 0))[1], found.get(_OLD_SUBFILE_TYPE, (1, 0))[1]
    is_reduced = bool(kind & (_REDUCED | _TRANSPARENCY)) or old == _OLD_REDUCED
    n_inner, _ = found.get(_SUB_DIRECTORIES, (0, 0))
    return Directory(offset, width, height, is_reduced, n_inner), following


def _entries(data: bytes, size: int, form: _Form) -> Iterator[tuple[int, int, int, bytes]]:
    if len(data) < size:
        raise struct.error
    yield from struct.iter_unpack(form.entry, data)


def _number(kind: int, value: bytes, form: _Form) -> int:
    """The single number of an entry; what is no integer is 0."""
    code = {3: "H", 4: "L", 16: "Q", 13: "L", 18: "Q"}.get(kind)
    if code is None or struct.calcsize(f"<{code}") > len(value):
        return 0
    return int(struct.unpack_from(form.offset[0] + code, value)[0])


def _refuse_truncated(pieces: list[tuple[int, int]], n_bytes: int) -> None:
    end = max((start + size for start, size in pieces), default=0)
    if max(end, sum(size for _, size in pieces)) > n_bytes:
        raise RefusalError(f"truncated: {n_bytes} of {end} bytes")


def _piece(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _type(kind: int) -> int:
    return _LONG if kind == _LONG8 else kind


def bytes_of_pixel(tags: Any) -> float:
    """What a pixel takes in memory, all channels together."""
    return max(1.0, float(tags.get(N_SAMPLES, 1)) * float(max(tags.get(BITS, (1,)))) / 8)


def refuse_missing(tags: Any) -> None:
    """Raises RefusalError if strips or tiles of the picture are missing or empty: they would decode to zeros."""
    width, height, n_planes = int(tags[WIDTH]), int(tags[HEIGHT]), tags.get(N_SAMPLES, 1)
    n_planes = n_planes if tags.get(PLANES) == SEPARATE else 1
    rows, (across, down) = tags.get(_ROWS_PER_STRIP, height), (tags.get(_TILE_WIDTH), tags.get(_TILE_HEIGHT))
    n_pieces = -(-width // across) * -(-height // down) if across and down else -(-height // max(1, min(rows, height)))
    sizes = tags.get(OFFSETS_AND_SIZES[1 if across and down else 0][1], ())
    found = sum(size > 0 for size in sizes)
    if found < n_pieces * n_planes:
        raise RefusalError(f"truncated: {found} of {n_pieces * n_planes} strips or tiles are there")

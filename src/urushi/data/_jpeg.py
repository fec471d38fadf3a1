"""Whether a JPEG holds all of its picture: the decoder that Pillow uses fills what is missing with grey, and is silent.

A file that was cut and got an end mark again, as some cameras' drivers give it, looks whole to every reader of headers.
"""

import io
import re
from dataclasses import dataclass

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from urushi.data._pixels import RefusalError

MAX_SCANS = 100  # progressive files have about ten; each scan takes as long as a whole picture
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # between scans: neither a stuffed byte nor a restart
_START_OF_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, 0xD8, *range(0xD0, 0xD8)}  # markers without a segment
# As bits of the picture these would be seen, behind it nobody looks; with each mark that a decoder may wait for.
_PADDINGS = [
    b"".join(bits * 16 + bytes((0xFF, 0xD0 + n)) for n in (*range(8), 0)) for bits in (b"\x55\xaa", b"\x0f\x33")
]


@dataclass(frozen=True)
class _Scans:
    """How many scans there are, where the end mark is (None: nowhere), and what the scans bring."""

    number: int
    end: int | None
    bits: dict[tuple[int, int], int]  # (component, coefficient) -> how many low bits are missing


def load_whole(image: JpegImageFile, data: bytes) -> None:
    """Decodes a picture from the bytes of its file; raises RefusalError if it lacks scans, or the end of one.

    So does, before anything is decoded, one of more scans than any camera writes.
    """
    scans = _scans(data)
    if scans.number > MAX_SCANS:
        raise RefusalError(f"a JPEG of {scans.number} scans; at most {MAX_SCANS} are decoded")
    image.load()
    _refuse_incomplete(data, scans, image)


def _refuse_incomplete(data: bytes, scans: _Scans, image: JpegImageFile) -> None:
    pixels = np.asarray(image)
    if scans.end is None:
        raise RefusalError("truncated: it has no end mark")
    components = {component for component, _ in scans.bits}
    if _is_progressive(image) and any(scans.bits.get((c, k), 1) for c in components for k in range(64)):
        raise RefusalError("truncated: some of its scans are missing")
    if (_is_progressive(image) or _ends_flat(pixels)) and _needs_more(data, scans.end, pixels):
        raise RefusalError("truncated: its data end before its picture does")


def _is_progressive(image: JpegImageFile) -> bool:
    """Whether its header says that details come in later scans."""
    return bool(image.info.get("progressive"))


def _scans(data: bytes) -> _Scans:
    place, number, bits = 2, 0, dict[tuple[int, int], int]()
    while match := _MARKER.search(data, place):
        kind, place = match[1][0], match.end()
        if kind == _END:
            return _Scans(number, match.start(), bits)
        if kind in _ALONE:
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        if kind == _START_OF_SCAN:
            number += 1
            bits |= _brought(data[place + 2 : place + length])
        place += max(2, length)
    return _Scans(number, None, bits)


def _brought(header: bytes) -> dict[tuple[int, int], int]:
    """What one scan brings, by its header."""
    n = header[0] if header else 0
    if len(header) < 4 + 2 * n:
        return {}
    first, last, approximation = header[1 + 2 * n : 4 + 2 * n]
    return {(header[1 + 2 * i], k): approximation & 15 for i in range(n) for k in range(first, min(last, 63) + 1)}


def _ends_flat(pixels: np.ndarray) -> bool:
    """Whether the last block is one grey: what is missing looks so, as do many a background."""
    last = pixels[(len(pixels) - 1) // 8 * 8 :, (pixels.shape[1] - 1) // 8 * 8 :].astype(int)
    grey = (last[:, :, :3] * [77, 150, 29]).sum(axis=2) >> 8 if last.ndim == 3 and last.shape[2] == 3 else last
    return bool(np.ptp(grey) <= 2 or last.shape[2:] == (4,))


def _needs_more(data: bytes, end: int, pixels: np.ndarray) -> bool:
    """Whether bits between the data and the end mark would become pixels."""
    return any(not np.array_equal(_decoded(data[:end] + padding + data[end:]), pixels) for padding in _PADDINGS)


def _decoded(data: bytes) -> np.ndarray:
    image = JpegImageFile(io.BytesIO(data))
    image.load()
    return np.asarray(image)

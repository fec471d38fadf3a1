"""Headers on which a decoder would work for minutes, found before it begins."""

import re
from typing import BinaryIO

from urushi.data._pixels import RefusalError

_HEADER_BYTES = 1 << 16
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NETPBM = re.compile(rb"P[14]" + 2 * (_SPACE + rb"\d+") + rb"\s|P[2356]" + 3 * (_SPACE + rb"\d+") + rb"\s")


def refuse_endless_header(file: BinaryIO) -> None:
    """Raises RefusalError for a PBM, PGM or PPM without size after pages of comments; leaves the file at its start."""
    if not _NETPBM.match(file.read(_HEADER_BYTES)):
        raise RefusalError(f"damaged: no size in the first {_HEADER_BYTES} bytes of its header")
    file.seek(0)


def refuse_endless_boxes(data: bytes) -> None:
    """Raises RefusalError for a JPEG 2000 of which a box has no length of its own though others follow it.

    A box has its length in 4 bytes, or in 8 where these say 1; 0 is one that reaches to the end.
    """
    place = 0
    while place + 8 <= len(data) and data[:4] != b"\xff\x4f\xff\x51":  # a bare codestream has no boxes
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if length == 1:
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        if kind == b"jp2c":
            return
        if length < 8:
            raise RefusalError(f"damaged: a box {kind!r} of {length} bytes")
        place += length

"""TIFFs that the decoders refuse or misread as they are: white that is zero, channels without a colour, odd types."""

import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from urushi.data._deep import narrow, opencv
from urushi.data._pixels import RefusalError, filling, refuse_larger
from urushi.data._tiff import (
    BITS,
    DEPTH,
    DESCRIPTION,
    EXTRA_SAMPLES,
    HEIGHT,
    N_SAMPLES,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    SAMPLE_FORMAT,
    SEPARATE,
    UNSIGNED,
    WIDTH,
    alone,
    read_tags,
    refuse_truncated,
)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2


def pixels_of_tiff(file: BinaryIO, max_pixels: int, decode: Callable[[BinaryIO], np.ndarray]) -> np.ndarray:
    """The pixels of a TIFF of one page, which `decode` gives of one that Pillow knows; raises RefusalError.

    White that is zero becomes black that is zero, three channels called grey are RGB, and 12 bits fill 16.
    """
    tags = read_tags(file)
    refuse_larger(int(tags[WIDTH]), int(tags[HEIGHT]), max_pixels)
    _refuse_hidden_stack(str(tags.get(DESCRIPTION, "")))
    _refuse_volume(tags)
    bits, n, photometric = tags.get(BITS, (1,)), tags.get(N_SAMPLES, 1), tags.get(PHOTOMETRIC)
    if photometric == _WHITE_IS_ZERO and max(bits) > 8:
        _require_known_white(tags)
        return np.uint16(65535) - _filled(decode(alone(file, tags, {PHOTOMETRIC: _BLACK_IS_ZERO})), bits)
    if photometric == _BLACK_IS_ZERO and n == 2 and bits == (16, 16):
        return _without_alpha(file, tags)
    if photometric == _BLACK_IS_ZERO and n == 3:
        file = alone(file, tags, {PHOTOMETRIC: _RGB, EXTRA_SAMPLES: None})
    return _filled(decode(file), bits)


def odd_tiff(file: BinaryIO) -> np.ndarray:
    """The pixels of a grey or RGB TIFF of a type that Pillow does not know, such as float RGB; raises RefusalError."""
    tags = read_tags(file)
    width, height, n = int(tags[WIDTH]), int(tags[HEIGHT]), tags.get(N_SAMPLES, 1)
    if (tags.get(PHOTOMETRIC), n) not in ((_BLACK_IS_ZERO, 1), (_RGB, 3), (_RGB, 4)):
        raise RefusalError(f"a TIFF of {n} channels that is neither grey nor RGB(A); convert it to one of these")
    refuse_truncated(file, tags)
    array = opencv(file, set(tags[BITS]))
    if sorted(array.shape[:2]) != sorted((width, height)):
        raise RefusalError(f"damaged: {width} × {height} pixels by its header, {array.shape} decoded")
    return narrow(array)


def _refuse_hidden_stack(description: str) -> None:
    """Raises RefusalError where images follow one another without a directory each, as ImageJ may write."""
    n_images = re.search(r"^images=(\d+)", description, re.MULTILINE) if description.startswith("ImageJ=") else None
    if (n_images and int(n_images[1]) > 1) or re.search(r'"truncated":\s*true', description):
        raise RefusalError("holds several images, of which only the first is a page; save it with a page for each")


def _refuse_volume(tags: Any) -> None:
    """Raises RefusalError where one directory holds many slices: decoders give the first alone."""
    if (n_slices := tags.get(DEPTH, 1)) != 1:
        n = max(n_slices) if isinstance(n_slices, tuple) else n_slices
        raise RefusalError(f"holds a volume of {n} slices, of which only the first is read; save a page for each")


def _filled(array: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    return filling(array, 12) if bits == (12,) else array


def _require_known_white(tags: Any) -> None:
    is_unsigned = tags.get(SAMPLE_FORMAT, (UNSIGNED,)) == (UNSIGNED,)
    if not is_unsigned or tags[BITS] not in ((12,), (16,)):
        raise RefusalError("white is zero in it, but no header says which level of this depth is black; invert it")


def _without_alpha(file: BinaryIO, tags: Any) -> np.ndarray:
    """Grey and alpha of 16 bits, read as one number of 32 bits; grey is the half that comes first."""
    if tags.get(PREDICTOR, 1) != 1 or tags.get(PLANES) == SEPARATE:
        raise RefusalError("grey with alpha in 16 bits, stored in a way that is not read; save it without alpha")
    changes = {BITS: (32,), N_SAMPLES: 1, SAMPLE_FORMAT: (UNSIGNED,), EXTRA_SAMPLES: None}
    pairs = opencv(alone(file, tags, changes), {32})
    return (pairs.astype(np.uint32) >> (0 if tags.prefix == b"II" else 16)).astype(np.uint16)

"""The one form of pixels in Urushi: (H, W) grey or (H, W, 3) RGB, of uint8, uint16 or float32, all values finite."""

from typing import Any

import numpy as np

_GREATEST = 65535  # of uint16
_ORDERS = {  # EXIF orientation -> how to turn the stored picture upright
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


class RefusalError(Exception):
    """Why a source cannot be read, in one line; `read_image` adds the name of the source."""


def from_array(array: np.ndarray, *, bits: int | None = None, bgr: bool = False) -> np.ndarray:
    """The pixels of an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); raises RefusalError."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise RefusalError("an array of which some pixels are masked; fill them")
    pixels = _with_channels(np.asarray(array))
    pixels = _by_values(pixels) if bits is None else pixels
    return at_depth(pixels[:, :, ::-1] if bgr and pixels.ndim == 3 else pixels, bits)


def from_tensor(tensor: Any, *, bits: int | None = None, bgr: bool = False) -> np.ndarray:
    """The pixels of a tensor of shape (H, W) or (C, H, W) with 1, 3 or 4 channels; raises RefusalError."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()  # numpy has no bfloat16
    array = np.asarray(tensor.numpy())
    if array.ndim == 3 and array.shape[0] not in (1, 3, 4):
        raise RefusalError(f"a tensor of shape {array.shape}; allowed are (H, W) and (C, H, W) with 1, 3 or 4 channels")
    return from_array(np.moveaxis(array, 0, -1) if array.ndim == 3 else array, bits=bits, bgr=bgr)


def at_depth(array: np.ndarray, bits: int | None, header_bits: int | None = None) -> np.ndarray:
    """Pixels of so many bits a channel, stretched over their type; raises RefusalError where that cannot be true.

    Those of which a header said the same are stretched already. None: by their type.
    """
    if bits is None or header_bits == bits:
        return with_depth(array)
    if header_bits is not None:
        raise RefusalError(f"its header says {header_bits} bits, but {bits} were stated")
    if array.dtype.kind == "f":
        return _filled_float(_finite_float32(array), bits)
    own = 1 if array.dtype == np.bool_ else 8 * array.dtype.itemsize
    if own < bits:
        raise RefusalError(f"it has {own} {'bit' if own == 1 else 'bits'} a channel, but {bits} were stated")
    return with_depth(filling(array, bits) if array.dtype.kind in "iu" else array)


def with_depth(array: np.ndarray) -> np.ndarray:
    """The same pixels as uint8, uint16 or float32, writable, contiguous and finite; raises RefusalError."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind == "f":
        array = _finite_float32(array)
    elif array.dtype.kind not in "iu":
        raise RefusalError(f"pixels of type {array.dtype}; allowed are bool, integers from 0 to {_GREATEST} and floats")
    elif array.dtype not in (np.uint8, np.uint16):
        array = _as_uint16(array)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W", "A"])


def fits_uint16(array: np.ndarray) -> bool:
    """Whether all values of an integer array lie in 0…65535."""
    return bool(array.min() >= 0 and array.max() <= _GREATEST)


def filling(array: np.ndarray, bits: int) -> np.ndarray:
    """Levels 0…2^bits − 1 (1 to 16 bits), stretched over all of uint8 or uint16; raises RefusalError for others."""
    white = 2**bits - 1
    if array.max() > white or array.min() < 0:
        raise RefusalError(f"levels from {array.min()} to {array.max()} do not fit the stated {bits} bits")
    stored, full = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    table: np.ndarray = np.rint(np.arange(white + 1) / white * full).astype(stored)  # stored value -> value
    levels: np.ndarray = table[array]
    return levels


def upright(array: np.ndarray, orientation: object) -> np.ndarray:
    """The picture turned as an EXIF orientation (1…8) says; other values are no orientation and turn nothing."""
    turn = _ORDERS.get(orientation) if isinstance(orientation, int) else None
    return np.ascontiguousarray(turn(array)) if turn else array


def refuse_larger(width: int, height: int, max_pixels: int) -> None:
    """Raises RefusalError if a picture has no pixel or more than max_pixels; called before anything is decoded."""
    if width < 1 or height < 1:
        raise RefusalError(f"the header says {width} × {height} pixels; the file is damaged")
    if width * height > max_pixels:
        raise RefusalError(f"too large: {width} × {height} = {width * height} pixels, the limit is {max_pixels}")


def _with_channels(array: np.ndarray) -> np.ndarray:
    if array.size == 0:
        raise RefusalError(f"an empty array of shape {array.shape}")
    if array.ndim == 2:
        return array
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        is_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        advice = "; np.moveaxis(array, 0, -1) brings its channels last" if is_first else ""
        raise RefusalError(
            f"an array of shape {array.shape}; allowed are (H, W), (H, W, 1), (H, W, 3) and (H, W, 4){advice}"
        )
    return array[:, :, 0] if array.shape[2] == 1 else array[:, :, :3]


def _finite_float32(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise RefusalError("contains NaN" if np.isnan(array).any() else "contains infinite values")
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32, copy=False)
    if not np.isfinite(narrow).all():
        raise RefusalError("contains values beyond the range of 32-bit floats")
    return narrow


def _by_values(array: np.ndarray) -> np.ndarray:
    """Integers of a type that says nothing of their depth as uint8 where all fit; others as they are."""
    says_nothing = array.dtype.kind == "i" or (array.dtype.kind == "u" and array.dtype.itemsize > 2)
    return array.astype(np.uint8) if says_nothing and array.min() >= 0 and array.max() <= 255 else array


def _as_uint16(array: np.ndarray) -> np.ndarray:
    if not fits_uint16(array):
        low, high = array.min(), array.max()
        raise RefusalError(f"{array.dtype} values from {low} to {high}; allowed are 0 to {_GREATEST}, or float32")
    return array.astype(np.uint16)


def _filled_float(array: np.ndarray, bits: int) -> np.ndarray:
    low, high, white = float(array.min()), float(array.max()), 2**bits - 1
    if low < 0 or high > white or 0 < high <= 1 < white:
        raise RefusalError(f"float levels from {low:g} to {high:g} are not those of {bits} bits, 0 to {white}")
    return array / np.float32(white)

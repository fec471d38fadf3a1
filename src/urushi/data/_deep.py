"""What Pillow would reduce to 8 bits, misread or refuse: 16-bit colour, PGM and PPM of other depths, odd TIFFs."""

import io
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from urushi.data._pixels import RefusalError, fits_uint16, refuse_larger, with_depth

# TIFF tags
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _N_SAMPLES, _PLANES, _SAMPLE_FORMAT = 256, 257, 258, 262, 277, 284, 339
_OFFSETS_AND_SIZES = ((273, 279), (324, 325))  # of strips, of tiles
_SEPARATE, _SIGNED = 2, 2


def is_misread(image: ImageFile) -> bool:
    """Whether Pillow, having read the header only, would decode this file to fewer bits or to wrong values."""
    if image.format == "TIFF":
        return _is_misread_tiff(image)
    if image.mode in ("I", "I;16", "F"):
        return False
    if image.format == "PPM":
        return image.tile[0].codec_name == "ppm_plain" and _white(image) > 255
    return any(isinstance(tile.args, str) and tile.args.endswith(";16B") for tile in image.tile)


def by_opencv(file: BinaryIO, image: ImageFile) -> np.ndarray:
    """The (H, W) or (H, W, 3) pixels of a PNG or TIFF that Pillow has found whole; raises RefusalError."""
    if image.format == "PPM" or image.mode not in ("L", "RGB", "RGBA", "RGBX", "I", "F"):
        raise RefusalError(f"{image.format} of this depth in colour mode {image.mode} is not supported; save it as PNG")
    bits = set(_read_tags(file)[_BITS]) if image.format == "TIFF" else {16}
    array = _opencv(file, bits)
    return _narrow(array[:, :, 0] if image.format == "PNG" and _is_grey_with_alpha(file) else array)


def is_scaled_netpbm(image: ImageFile) -> bool:
    """Whether this is a binary PGM or PPM that Pillow would decode slowly, in Python, or to fewer bits."""
    return image.format == "PPM" and image.tile[0].codec_name == "ppm"


def scaled_netpbm(file: BinaryIO, image: ImageFile) -> np.ndarray:
    """The pixels of such a PGM or PPM, scaled so that its white becomes 255 or 65535; raises RefusalError."""
    white = _white(image)
    stored, full = (np.dtype("u1"), 255) if white < 256 else (np.dtype(">u2"), 65535)
    shape = (image.height, image.width) if image.mode in ("L", "I") else (image.height, image.width, 3)
    n_bytes = int(np.prod(shape)) * stored.itemsize
    file.seek(image.tile[0].offset)
    data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise RefusalError(f"truncated: {len(data)} of {n_bytes} bytes of pixels")
    scaled = np.rint(np.minimum(np.arange(full + 1) / white, 1) * full)  # stored value -> value
    return with_depth(scaled.astype(stored)[np.frombuffer(data, stored).reshape(shape)])


def odd_tiff(file: BinaryIO, max_pixels: int) -> np.ndarray:
    """The pixels of a grey or RGB TIFF of a type that Pillow does not know, such as float RGB; raises RefusalError."""
    tags = _read_tags(file)
    width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    refuse_larger(width, height, max_pixels)
    if tags.get(_N_SAMPLES, 1) not in (1, 3, 4) or tags.get(_PHOTOMETRIC) not in (1, 2):
        raise RefusalError("a TIFF that is neither grey nor RGB(A); convert it to one of these")
    _refuse_truncated(file, tags)
    array = _opencv(file, set(tags[_BITS]))
    if sorted(array.shape[:2]) != sorted((width, height)):
        raise RefusalError(f"damaged: {width} × {height} pixels by its header, {array.shape} decoded")
    return _narrow(array)


def _is_misread_tiff(image: ImageFile) -> bool:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    if image.mode in ("I", "F"):  # Pillow swaps the bytes of a compressed big-endian image twice
        return image.tile[0].codec_name == "libtiff" and tags.prefix == b"MM"
    if image.mode.startswith("I;16"):
        return False
    return int(max(tags.get(_BITS, (1,)))) > 8 or _SIGNED in tags.get(_SAMPLE_FORMAT, ())


def _white(image: ImageFile) -> int:
    args = image.tile[0].args
    return int(args[-1]) if isinstance(args, tuple) else 255


def _opencv(file: BinaryIO, bits: set[int]) -> np.ndarray:
    file.seek(0)
    is_tiff = file.read(2) in (b"II", b"MM")
    if is_tiff and (_read_tags(file).get(_PLANES) == _SEPARATE and _read_tags(file).get(_N_SAMPLES, 1) > 1):
        raise RefusalError("a TIFF with separate colour planes at this depth; save it with interleaved channels")
    file.seek(0)
    array: np.ndarray | None = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise RefusalError("OpenCV cannot decode it: damaged, or of a type such as 16-bit float; save it as float32")
    if {array.dtype.itemsize * 8} != bits or (array.ndim == 3 and bits == {8}):
        raise RefusalError(f"{sorted(bits)} bits a channel are not supported here; save it as 16-bit or float32")
    return array if array.ndim == 2 else array[:, :, 2::-1]  # from BGR or BGRA


def _is_grey_with_alpha(png: BinaryIO) -> bool:
    png.seek(25)  # the colour type in the header; Pillow calls it RGBA, OpenCV gives it four channels
    return png.read(1) == b"\x04"


def _narrow(array: np.ndarray) -> np.ndarray:
    too_wide = array.dtype.kind in "iu" and not fits_uint16(array)
    return with_depth(array.astype(np.float32) if too_wide else array)


def _read_tags(file: BinaryIO) -> Any:  # Pillow's directory of tags is typed as Any throughout
    file.seek(0)
    header = file.read(8)
    header += file.read(8) if b"+" in header[2:4] else b""  # a BigTIFF
    tags = ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _refuse_truncated(file: BinaryIO, tags: Any) -> None:
    # OpenCV returns the half of a truncated image without a word.
    n_bytes = file.seek(0, io.SEEK_END)
    for offsets, sizes in _OFFSETS_AND_SIZES:
        ends = [start + size for start, size in zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=True)]
        if ends and max(ends) > n_bytes:
            raise RefusalError(f"truncated: {n_bytes} of {max(ends)} bytes")

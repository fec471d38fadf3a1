"""What Pillow would reduce to 8 bits or misread: 16-bit colour, PGM and PPM of other depths, signed TIFFs."""

import re
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL.ImageFile import ImageFile

from urushi.data._pixels import RefusalError, fits_uint16, with_depth
from urushi.data._tiff import BITS, N_SAMPLES, PLANES, SAMPLE_FORMAT, SEPARATE, SIGNED, read_tags


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
    bits = set(read_tags(file)[BITS]) if image.format == "TIFF" else {16}
    array = opencv(file, bits)
    return narrow(array[:, :, 0] if image.format == "PNG" and _is_grey_with_alpha(file) else array)


def is_scaled_netpbm(image: ImageFile) -> bool:
    """Whether this is a binary PGM or PPM that Pillow would decode slowly, in Python, or to fewer bits."""
    return image.format == "PPM" and image.tile[0].codec_name == "ppm"


def refuse_further_netpbm(file: BinaryIO, image: ImageFile) -> None:
    """Raises RefusalError where another picture follows that of a binary PBM, PGM or PPM."""
    if image.format != "PPM" or image.tile[0].codec_name == "ppm_plain":
        return
    is_wide = _white(image) > 255 or image.tile[0].args == "I;16B"
    n_values = image.width * len(image.getbands()) * (2 if is_wide else 1)
    file.seek(image.tile[0].offset + image.height * (-(-image.width // 8) if image.mode == "1" else n_values))
    if re.match(rb"\s*P[1-6]\s", file.read(16)):
        raise RefusalError("holds several images one after the other; save each as a file")


def netpbm_bits(image: ImageFile) -> int | None:
    """The bits that the white of a PGM or PPM takes; None if they are those of its type."""
    n_bits = _white(image).bit_length()
    return None if _white(image) in (255, 65535) else n_bits


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


def _is_misread_tiff(image: ImageFile) -> bool:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    if image.mode in ("I", "F"):  # Pillow swaps the bytes of a compressed big-endian image twice
        return image.tile[0].codec_name == "libtiff" and tags.prefix == b"MM"
    if image.mode.startswith("I;16"):
        return False
    return int(max(tags.get(BITS, (1,)))) > 8 or SIGNED in tags.get(SAMPLE_FORMAT, ())


def _white(image: ImageFile) -> int:
    args = image.tile[0].args
    return int(args[-1]) if isinstance(args, tuple) else 255


def opencv(file: BinaryIO, bits: set[int]) -> np.ndarray:
    """What OpenCV decodes of a PNG or TIFF of so many bits a channel, RGB for BGR; raises RefusalError."""
    file.seek(0)
    is_tiff = file.read(2) in (b"II", b"MM")
    if is_tiff and (read_tags(file).get(PLANES) == SEPARATE and read_tags(file).get(N_SAMPLES, 1) > 1):
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


def narrow(array: np.ndarray) -> np.ndarray:
    """Pixels as uint8, uint16 or float32; integers of more than 16 bits become float32."""
    too_wide = array.dtype.kind in "iu" and not fits_uint16(array)
    return with_depth(array.astype(np.float32) if too_wide else array)

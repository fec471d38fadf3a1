"""Pixels out of a Pillow image, whatever its mode."""

from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from urushi.data._pixels import RefusalError, at_depth, fits_uint16, refuse_larger, upright, with_depth

_STEPS = {  # mode -> the modes to convert to, one after the other; a premultiplied alpha is undone before it is dropped
    "1": ("L",),
    "LA": ("L",),
    "La": ("LA", "L"),
    "P": ("RGB",),
    "PA": ("RGBA", "RGB"),
    "RGBA": ("RGB",),
    "RGBX": ("RGB",),
    "RGBa": ("RGBA", "RGB"),
    "CMYK": ("RGB",),
    "YCbCr": ("RGB",),
    "HSV": ("RGB",),
}

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def from_pillow(image: Image.Image, max_pixels: int, bits: int | None = None) -> np.ndarray:
    """The upright pixels of an image, decoded or not; raises RefusalError and whatever Pillow raises.

    32-bit integers behind which is no file are 8 bits where all fit, as in an array.
    """
    refuse_larger(*image.size, max_pixels)
    if (n := getattr(image, "n_frames", 1)) > 1:
        raise RefusalError(f"an image of {n} frames; give each alone: image.seek(number), then image.copy()")
    image.load()
    pixels = upright(pixels_of(image), orientation_of(image))
    says_nothing = bits is None and image.mode == "I" and image.format is None
    return pixels.astype(np.uint8) if says_nothing and _fits_uint8(pixels) else at_depth(pixels, bits)


def pixels_of(image: Image.Image) -> np.ndarray:
    """The pixels of a decoded Pillow image, as they are stored; raises RefusalError for a mode without grey or RGB."""
    if image.mode.startswith("I"):
        return _integers(np.array(image))
    if image.mode not in ("L", "RGB", "F", *_STEPS):
        raise RefusalError(f"unsupported colour mode {image.mode}; convert the image to grey or RGB")
    for mode in _STEPS.get(image.mode, ()):
        image = image.convert(mode)
    return with_depth(np.array(image))


@dataclass(frozen=True)
class Layers:
    """What of a picture is lost in grey or RGB, upright, (H, W) each."""

    index: np.ndarray | None = None  # into the palette
    alpha: np.ndarray | None = None
    is_lossy: bool = False


def layers_of(image: Image.Image) -> Layers:
    """The palette's indices and the transparency of an image, decoded or not."""
    has_alpha = image.mode in _WITH_ALPHA or ("transparency" in image.info and image.mode in ("1", "L", "RGB", "P"))
    has_index = image.mode in ("P", "PA")
    index = alpha = None
    orientation = 1 if image.format == "TIFF" else orientation_of(image)  # Pillow has turned a TIFF already
    if has_index:
        index = upright(np.array(image if image.mode == "P" else image.getchannel("P")), orientation)
    if has_alpha:
        image = image.convert("LA") if image.mode == "La" else image
        alpha = upright(np.array(image.convert("RGBA").getchannel("A")), orientation)
    return Layers(index, alpha, is_lossy=image.format in ("JPEG", "MPO"))


def bytes_per_pixel(image: Image.Image) -> int:
    """What a pixel of an image takes in memory at the most, decoded or not: as Pillow keeps it, or at 16 bits."""
    is_deep = any("16" in str(tile[3]) for tile in getattr(image, "tile", []))
    return (2 if is_deep else 1) * (1 if image.mode in ("1", "L") else 2 if image.mode.startswith("I;16") else 4)


def orientation_of(image: Image.Image) -> object:
    """The EXIF orientation as stored, 1 if there is none."""
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _fits_uint8(pixels: np.ndarray) -> bool:
    return pixels.dtype == np.uint16 and bool(pixels.max() <= 255)


def _integers(array: np.ndarray) -> np.ndarray:
    return with_depth(array if fits_uint16(array) else array.astype(np.float32))

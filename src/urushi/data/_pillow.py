"""Pixels out of a Pillow image, whatever its mode."""

import numpy as np
from PIL import ExifTags, Image

from urushi.data._pixels import RefusalError, fits_uint16, refuse_larger, upright, with_depth

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


def from_pillow(image: Image.Image, max_pixels: int) -> np.ndarray:
    """The upright pixels of an image, decoded or not; raises RefusalError and whatever Pillow raises."""
    refuse_larger(*image.size, max_pixels)
    image.load()
    return upright(pixels_of(image), orientation_of(image))


def pixels_of(image: Image.Image) -> np.ndarray:
    """The pixels of a decoded Pillow image, as they are stored; raises RefusalError for a mode without grey or RGB."""
    if image.mode.startswith("I"):
        return _integers(np.array(image))
    if image.mode not in ("L", "RGB", "F", *_STEPS):
        raise RefusalError(f"unsupported colour mode {image.mode}; convert the image to grey or RGB")
    for mode in _STEPS.get(image.mode, ()):
        image = image.convert(mode)
    return with_depth(np.array(image))


def orientation_of(image: Image.Image) -> object:
    """The EXIF orientation as stored, 1 if there is none."""
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _integers(array: np.ndarray) -> np.ndarray:
    return with_depth(array if fits_uint16(array) else array.astype(np.float32))

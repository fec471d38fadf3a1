"""What one decoded image looks like as a whole, whatever it shows, and what tells whether it is the same as another."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from urushi.data.images import luminance


@dataclass(frozen=True)
class Appearance:
    """Size, light and colour of one decoded image, in shares of its full scale."""

    content: str  # as `content_of` says
    height: int  # px
    width: int
    brightness: float  # mean of all pixels
    contrast: float  # their standard deviation within a channel; 0 of an image of one level
    colour: float  # mean difference of a pixel's highest and lowest channel; 0 of a grey image

    @classmethod
    def of(cls, image: np.ndarray) -> "Appearance":
        """That of (H, W) or (H, W, 3) of uint8, uint16 or float32."""
        height, width = image.shape[:2]
        full_scale = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0
        spread = float(np.sqrt(np.square(cv2.meanStdDev(image)[1]).mean())) / full_scale
        return cls(content_of(image), height, width, luminance(image), spread, _colour(image) / full_scale)


def content_of(image: np.ndarray) -> str:
    """16 hex digits that stand for the pixels of a decoded image (H, W) or (H, W, 3), not for its file.

    A grey image in three channels has those of the grey one.
    """
    plain = image[:, :, 0] if image.ndim == 3 and _is_grey(image) else image
    digest = hashlib.blake2b(f"{plain.shape} {plain.dtype}\n".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(plain).data)
    return digest.hexdigest()


def _is_grey(image: np.ndarray) -> bool:
    """Whether all channels are equal; the first row tells most that are not."""
    return all(bool((part == part[..., :1]).all()) for part in (image[0], image))


def _colour(image: np.ndarray) -> float:
    if image.ndim == 2:
        return 0.0
    channels = cv2.split(image)
    highest, lowest = (reduce(channels[2], reduce(channels[0], channels[1])) for reduce in (cv2.max, cv2.min))
    return float(cv2.mean(cv2.subtract(highest, lowest))[0])

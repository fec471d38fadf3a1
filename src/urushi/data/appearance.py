"""What one decoded image looks like as a whole, whatever it shows, and what tells whether it is the same as another."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from urushi.data.images import luminance

LIGHT = ("brightness", "contrast", "sharpness", "dark", "bright", "right", "below", "colour")
FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
_N_ROWS = 32  # at least so many of a higher image, evenly spread, stand for all of them
_N_AT_ONCE = 65536  # pixels, which fit into a core's cache
_N_FOR_LEVELS = 16384  # pixels that stand for all where levels are sorted
_TAIL = 0.05  # share of pixels that are the darkest, or the brightest ones


@dataclass(frozen=True)
class Appearance:
    """Size, light and colour of one decoded image, in shares of its full scale."""

    content: str  # as `content_of` says
    height: int  # px
    width: int
    kind: str  # uint8, uint16 or float32
    highest: float  # level of any pixel
    brightness: float  # mean; this and the next two of some rows of a large image
    contrast: float  # standard deviation of pixels within a channel; 0 only of an image of one level
    colour: float  # mean difference of a pixel's highest and lowest channel; 0 only of a grey image
    sharpness: float | None = None  # RMS difference of neighbours in a row over contrast; None in older detector files
    dark: float | None = None  # level below which 5 % of the pixels lie, and that above which 5 % do
    bright: float | None = None
    right: float | None = None  # share of all light that is in the right half, and in the lower one
    below: float | None = None

    @classmethod
    def of(cls, image: np.ndarray) -> "Appearance":
        """That of (H, W) or (H, W, 3) of uint8, uint16 or float32."""
        height, width = image.shape[:2]
        rows, plain, kind = _thinned(image), _plain(image), str(image.dtype)
        contrast = _contrast(rows) or _contrast(image)
        colour = 0.0 if plain.ndim == 2 else _colour(rows) or _colour(image)
        light = (float(level) / FULL_SCALES[kind] for level in (image.max(), contrast, colour))
        highest, contrast, colour = light
        sharpness = _difference(rows) / FULL_SCALES[kind] / contrast if contrast else 0.0
        dark, bright = (level / FULL_SCALES[kind] for level in _tails(rows))
        known = (_digest(plain), height, width, kind, highest, luminance(rows), contrast, colour)
        return cls(*known, sharpness, dark, bright, *_shares(rows))

    @property
    def is_plausible(self) -> bool:
        """Whether an image may look like it: of a file, it may say anything."""
        light = (self.highest, *self.light.values())
        return self.kind in FULL_SCALES and min(self.size) > 0 and bool(np.isfinite(light).all())

    @property
    def light(self) -> dict[str, float]:
        """What changes with lamp, lens and camera, as far as it is known: levels, their spread, sharpness."""
        found = {name: getattr(self, name) for name in LIGHT}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.height, self.width


def content_of(image: np.ndarray) -> str:
    """16 hex digits that stand for the pixels of a decoded image (H, W) or (H, W, 3), not for its file.

    A grey image in three channels has those of the grey one. Every pixel counts: of two images that are equal but
    between the rows that are digested in full, one in 2^32 has the same digits, and none that differ in one pixel.
    """
    return _digest(_plain(image))


def _digest(image: np.ndarray) -> str:
    # A checksum of all is five times as quick as a digest of all, which took a seventh of the time of decoding.
    checksum = zlib.crc32(np.ascontiguousarray(image).data)
    digest = hashlib.blake2b(f"{image.shape} {image.dtype} {checksum}\n".encode(), digest_size=8)
    digest.update(_thinned(image).data)
    return digest.hexdigest()


def _thinned(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:: max(1, len(image) // _N_ROWS)])


def _plain(image: np.ndarray) -> np.ndarray:
    """A grey image in three channels as (H, W); all others as they are."""
    if image.ndim == 2 or not all(map(_is_grey, _parts(image))):
        return image
    return cv2.extractChannel(image, 0)


def _parts(image: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows of all of it first: they tell most images that are not grey."""
    yield _thinned(image)
    n_rows = max(1, _N_AT_ONCE // image.shape[1])
    yield from (image[top : top + n_rows] for top in range(0, len(image), n_rows))


def _is_grey(image: np.ndarray) -> bool:
    first, second, third = cv2.split(image)
    return np.array_equal(first, second) and np.array_equal(first, third)


def _contrast(image: np.ndarray) -> float:
    return float(np.sqrt(np.square(cv2.meanStdDev(image)[1]).mean()))


def _difference(image: np.ndarray) -> float:
    """Root mean square, of neighbours in a row; 0 of a single column."""
    if image.shape[1] < 2:
        return 0.0
    left, right = (np.ascontiguousarray(side) for side in (image[:, :-1], image[:, 1:]))
    return float(cv2.norm(left, right, cv2.NORM_L2) / np.sqrt(left.size))


def _shares(image: np.ndarray) -> tuple[float, float]:
    """Of the right and the lower half in all light; 1/2 of an image without any."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return _share(image[:, :width], image[:, width:]), _share(image[:height], image[height:])


def _share(one: np.ndarray, other: np.ndarray) -> float:
    """Of the second side in the light of both, by their means."""
    if not one.size:
        return 0.5
    means = [float(side.mean(dtype=np.float64)) for side in (one, other)]
    return means[1] / sum(means) if min(means) >= 0 and sum(means) > 0 else 0.5


def _tails(image: np.ndarray) -> tuple[float, float]:
    """The levels below and above which the darkest and the brightest pixels of all channels lie."""
    step = max(1, image.size // _N_FOR_LEVELS)
    levels = image[:, ::step].ravel()
    n = int(_TAIL * len(levels))
    found = np.partition(levels, (n, len(levels) - 1 - n))
    return float(found[n]), float(found[len(levels) - 1 - n])


def _colour(image: np.ndarray) -> float:
    channels = cv2.split(image)
    highest, lowest = (reduce(channels[2], reduce(channels[0], channels[1])) for reduce in (cv2.max, cv2.min))
    return float(cv2.mean(cv2.subtract(highest, lowest))[0])

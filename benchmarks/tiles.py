"""Real photographs for benchmarks: tiles of the pictures in the scikit-image package; nothing is downloaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

PHOTOGRAPHS = ("brick", "astronaut", "grass", "coffee", "gravel", "chelsea")  # in turn grey and colour
_JPEG_QUALITY = 95


def tiles(n: int, px: int, seed: int) -> Iterator[np.ndarray]:
    """n tiles (px, px) or (px, px, 3) uint8 at random places, the photographs in turn."""
    photographs = [getattr(data, name)() for name in PHOTOGRAPHS]
    rng = np.random.default_rng(seed)
    for number in range(n):
        photograph = photographs[number % len(photographs)]
        y, x = (rng.integers(side - px + 1) for side in photograph.shape[:2])
        yield photograph[y : y + px, x : x + px]


def grey_tiles(n: int, px: int, seed: int) -> np.ndarray:
    """n grey tiles as a model sees them, (n, 1, px, px) float32 in [0, 1]."""
    found = [np.asarray(Image.fromarray(tile).convert("L"), np.float32) / 255 for tile in tiles(n, px, seed)]
    return np.stack(found)[:, None]


def write_tiles(folder: Path, n: int, px: int, seed: int) -> Path:
    """n files, pairs of PNG and JPEG, so that either format has grey and colour pictures alike."""
    folder.mkdir(parents=True)
    for number, tile in enumerate(tiles(n, px, seed)):
        is_png = number // 2 % 2 == 0
        path = folder / f"{number:05}.{'png' if is_png else 'jpg'}"
        how: dict[str, Any] = {} if is_png else {"quality": _JPEG_QUALITY}
        Image.fromarray(tile).save(path, **how)
    return folder


def described(n: int, px: int) -> str:
    names = ", ".join(PHOTOGRAPHS)
    return f"{n} tiles of {px}x{px} px from scikit-image's {names}; half PNG, half JPEG of quality {_JPEG_QUALITY}"

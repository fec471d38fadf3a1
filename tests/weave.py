"""A cloth of 64 × 64 px, good and scratched, that many tests are about."""

from pathlib import Path

import numpy as np
from PIL import Image


def texture(seed: int) -> np.ndarray:
    """(64, 64) uint8: the same weave with other grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    weave = 128 + 30 * np.sin(x / 3 + 0.1 * rng.normal()) + 20 * np.sin(y / 4 + 0.1 * rng.normal())
    return np.clip(weave + rng.normal(0, 6, (64, 64)), 0, 255).astype(np.uint8)


def scratched(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A texture with a hole of 14 × 16 px, and where it is."""
    image, mask = texture(seed), np.zeros((64, 64), np.uint8)
    mask[20:34, 24:40] = 255
    return np.where(mask, 255 - image, image).astype(np.uint8), mask


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)

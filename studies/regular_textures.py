"""Data sets of a regular texture, as S1 has them: patches of one picture, elastically distorted (`urushi texture`)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage import data

from urushi.augmentation import TextureWish, make_texture_set
from urushi.data.dataset import Dataset, find_dataset
from urushi.data.writing import write_image


def photograph(texture: str) -> np.ndarray:
    """(512, 512) uint8."""
    if texture == "knit":
        return knit(512)
    found: Callable[[], np.ndarray] = getattr(data, texture)
    return found()


def knit(side_px: int, stitch_px: tuple[int, int] = (14, 18)) -> np.ndarray:
    """Columns of stitches, each two legs that meet in a V, of height and width `stitch_px`, with a little noise."""
    y, x = np.mgrid[:side_px, :side_px]
    across = np.abs(x % stitch_px[1] / stitch_px[1] - 0.5) * 2  # 0 in the middle of a column, 1 between two
    legs = np.cos(2 * np.pi * (y / stitch_px[0] + 0.7 * across)) * (1 - across**6)
    noise = np.random.default_rng(0).normal(scale=0.02, size=(side_px, side_px))
    return (255 * np.clip(0.45 + 0.3 * legs - 0.2 * across**6 + noise, 0, 1)).astype(np.uint8)


def textured(texture: str, folder: Path) -> Dataset:
    picture = folder.with_suffix(".png")
    write_image(picture, photograph(texture))
    make_texture_set(picture, folder, TextureWish(patch_px=128, n_patches=200, defects=("crack", "scratch")))
    return find_dataset(folder)

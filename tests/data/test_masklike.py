from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data.masklike import look_like_masks


def write(folder: Path, *pictures: np.ndarray) -> list[Path]:
    paths = [folder / f"{number:02}.png" for number in range(len(pictures))]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


EMPTY = np.zeros((16, 16), np.uint8)
MASK = np.pad(np.full((4, 4), 255, np.uint8), 6)
TEXTURE = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    "mask", [MASK, MASK // 255, 255 - MASK, np.dstack([MASK] * 3), np.dstack([MASK, EMPTY, EMPTY])]
)
def test_black_with_one_other_level_is_a_mask_whatever_the_level(tmp_path, mask):
    assert look_like_masks(write(tmp_path, mask, mask))


def test_empty_masks_among_others_are_masks_and_so_are_full_ones(tmp_path):
    assert look_like_masks(write(tmp_path, EMPTY, MASK, EMPTY, 255 - EMPTY))


@pytest.mark.parametrize("pictures", [(TEXTURE,) * 3, (EMPTY,) * 3, (MASK + 9,) * 3, (MASK, TEXTURE, TEXTURE), ()])
def test_photographs_and_constant_images_are_none(tmp_path, pictures):
    assert not look_like_masks(write(tmp_path, *pictures))


def test_nearly_all_is_enough_and_what_cannot_be_read_says_nothing(tmp_path):
    paths = write(tmp_path, *[MASK] * 18, TEXTURE)
    (tmp_path / "broken.png").write_text("no image")
    assert look_like_masks([*paths, tmp_path / "broken.png"])

"""A data set from one large picture of a texture: patches of the picture, elastically distorted (S1 §5.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from urushi.augmentation._sequence import Augmentation
from urushi.augmentation.elastic import Elastic
from urushi.data.defects import KINDS, MINIMUM_SIDE_PX, apply, draw
from urushi.data.images import read_image
from urushi.data.writing import claim, finish, write_image
from urushi.errors import InputError, UnreadableImageError
from urushi.printable import in_px

_TEST_SHARE = 0.2  # S1: 60 % train, 20 % validation, 20 % test; `fit` takes its validation part from train/good
_PATCHES_PER_WARP = 16
_TITLE = "Texture data set of Urushi"


@dataclass(frozen=True, kw_only=True)
class TextureWish:
    """What is to be cut from the picture; `n_patches` are all but the defective ones."""

    patch_px: int = 64
    n_patches: int = 500
    sigma_px: float = 20.0
    alpha_px: float = 4.0
    defects: tuple[str, ...] = ("crack",)
    seed: int = 0

    @property
    def n_test(self) -> int:
        """Good test patches, and as many defective ones, evenly of each kind."""
        return max(1, round(_TEST_SHARE * self.n_patches))


def make_texture_set(picture: Path, folder: Path, wish: TextureWish) -> dict[str, int]:
    """Writes patches of a picture in MVTec layout and returns how many are in each folder.

    Test patches come from a part of the picture of their own, a fifth of its longer side or as much as two patches, so
    that no pixel is in both. Grey and colour stay as they are. Raises InputError for a picture that cannot be read or
    is too small, an unknown defect, and a folder with other files.
    """
    _require_sense(wish)
    parts = _parts(_read(picture), wish)
    about = f"Patches of {picture.name}, elastically distorted: {wish}.\nDefects are synthetic."
    claim(folder, _TITLE, about)
    rng = np.random.default_rng(wish.seed)
    written: dict[str, int] = {}
    for name, patch, mask in _patches(parts, wish, rng):
        number = written[name] = written.get(name, 0) + 1
        write_image(folder / name / f"{number - 1:04}.png", patch)
        if mask is not None:
            place = folder / "ground_truth" / Path(name).name / f"{number - 1:04}_mask.png"
            write_image(place, mask)
    finish(folder)
    return written


def _patches(
    parts: tuple[np.ndarray, np.ndarray], wish: TextureWish, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Folder, patch, and the mask of a defective one."""
    yield from (("train/good", patch, None) for patch in _cut(parts[0], wish.n_patches - wish.n_test, wish, rng))
    yield from (("test/good", patch, None) for patch in _cut(parts[1], wish.n_test, wish, rng))
    for number, patch in enumerate(_cut(parts[1], wish.n_test if wish.defects else 0, wish, rng)):
        kind = wish.defects[number % len(wish.defects)]
        yield f"test/{kind}", *apply(patch, draw(rng, patch.shape, kinds=[kind]))


def _cut(part: np.ndarray, n: int, wish: TextureWish, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Patches at random places of the part, which is warped anew every so many patches."""
    elastic = Augmentation((Elastic(sigma_px=wish.sigma_px, alpha_px=wish.alpha_px),))
    size, warped = (part.shape[0], part.shape[1]), part
    for number in range(n):
        if number % _PATCHES_PER_WARP == 0:
            warped = elastic.apply(part, elastic.draw(rng, size))
        y, x = (rng.integers(side - wish.patch_px + 1) for side in size)
        yield warped[y : y + wish.patch_px, x : x + wish.patch_px]


def _parts(pixels: np.ndarray, wish: TextureWish) -> tuple[np.ndarray, np.ndarray]:
    """For training, and for testing; across the longer side. Each is warped by itself and mirrored at its edges."""
    axis = int(pixels.shape[1] > pixels.shape[0])
    length = pixels.shape[axis]
    test = max(round(_TEST_SHARE * length), 2 * wish.patch_px)
    train = length - test
    if train < test or min(pixels.shape[:2]) < wish.patch_px:
        raise InputError(
            f"the picture is {in_px(pixels.shape)}; for patches of {wish.patch_px} px it has at least "
            f"{wish.patch_px} × {4 * wish.patch_px} px, so that training and testing share no pixel"
        )
    first, last = (slice(0, train), slice(length - test, length))
    return (pixels[first], pixels[last]) if axis == 0 else (pixels[:, first], pixels[:, last])


def _read(picture: Path) -> np.ndarray:
    try:
        return read_image(picture)
    except UnreadableImageError as error:
        raise InputError(str(error)) from None


def _require_sense(wish: TextureWish) -> None:
    if unknown := set(wish.defects) - set(KINDS):
        raise InputError(f"kinds of defects are {', '.join(KINDS)}; got {', '.join(sorted(unknown))}")
    if wish.patch_px < MINIMUM_SIDE_PX or wish.n_patches < 5:
        raise InputError(
            f"{wish.n_patches} patches of {wish.patch_px} px were asked for; the least is 5 of {MINIMUM_SIDE_PX} px"
        )

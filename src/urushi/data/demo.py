"""A small data set for trying Urushi without data: tiles of a real photograph, with synthetic defects in some of them.

The photograph is scikit-image's `data.brick`, a brick wall (CC0, from cc0textures.com), which lies in the package
itself: nothing is downloaded. Training and test tiles come from separate strips of it, so that no pixel is in both.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from urushi.catalogue.extras import require
from urushi.data.defects import apply, draw
from urushi.data.writing import claim, write_image

# Small tiles overlap little: with 128 px, held-out training tiles share so many pixels with the others that a threshold
# taken from them gave about three times the false alarms asked for (rough trial: Lite0 PCA, four seeds, rate 5 %).
TILE_PX = 96
N_TRAIN, N_GOOD, N_PER_DEFECT = 100, 20, 5  # 99 held-out images are the fewest for a false-alarm rate of 1 %
DEFECTS = ("scratch", "blob", "stain", "crack", "hole", "paste")  # what may happen to a wall
_TRAIN_ROWS = ((0, 160), (352, 512))  # the wall recedes: testing the middle needs no bricks smaller or larger than seen
_TEST_ROWS = ((160, 352),)
_TITLE = "Demo data set of Urushi"
_ABOUT = f"""Written by `urushi demo` and written anew by it: keep nothing of your own here.

Tiles of {TILE_PX} x {TILE_PX} px of the photograph "brick" in scikit-image, licence CC0,
https://cc0textures.com/view.php?tex=Bricks25 .
Training tiles come from the upper and lower strip of the photograph, test tiles from the strip between.
The photograph is real; the defects in test/ are synthetic, so figures measured here say nothing about real defects.
Seed: """


def make_demo(folder: Path, *, seed: int = 0) -> Path:
    """Write the demo set in MVTec layout and return its folder (100 good to train, 20 good and 30 defective to test).

    The same seed gives the same pictures; in its own folder they are written anew. Raises InputError where the
    folder holds other files, MissingPackageError without scikit-image.
    """
    photograph = _photograph()
    claim(folder, _TITLE, f"{_ABOUT}{seed}")
    rng = np.random.default_rng(seed)
    for number, tile in enumerate(_tiles(photograph, _TRAIN_ROWS, N_TRAIN, rng)):
        write_image(folder / "train" / "good" / f"{number:03}.png", tile)
    for number, tile in enumerate(_tiles(photograph, _TEST_ROWS, N_GOOD, rng)):
        write_image(folder / "test" / "good" / f"{number:03}.png", tile)
    for kind in DEFECTS:
        for number, tile in enumerate(_tiles(photograph, _TEST_ROWS, N_PER_DEFECT, rng)):
            defective, mask = apply(tile, draw(rng, tile.shape, kinds=[kind]))
            write_image(folder / "test" / kind / f"{number:03}.png", defective)
            write_image(folder / "ground_truth" / kind / f"{number:03}_mask.png", mask)
    return folder


def _photograph() -> np.ndarray:
    require("skimage", "train")
    from skimage import data

    brick: Callable[[], np.ndarray] = data.brick
    return brick()  # (512, 512) uint8


def _tiles(
    photograph: np.ndarray, strips: tuple[tuple[int, int], ...], n_tiles: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    for number in range(n_tiles):
        top, bottom = strips[number % len(strips)]
        y, x = rng.integers(top, bottom - TILE_PX + 1), rng.integers(photograph.shape[1] - TILE_PX + 1)
        yield photograph[y : y + TILE_PX, x : x + TILE_PX]

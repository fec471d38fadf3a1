"""A small data set for trying Urushi without data: tiles of a real photograph, with synthetic defects in some of them.

The photograph is scikit-image's `data.brick`, a brick wall (CC0, from cc0textures.com), which lies in the package
itself: nothing is downloaded. All tiles are drawn alike, evenly over the whole of it, and then divided at random into
those to learn from, good ones to test with, and those that get a defect. They overlap, and test tiles overlap training
tiles no more and no less than these overlap each other: good test tiles are exchangeable with those held out, as the
stated false-alarm rate supposes. Over twenty seeds 5.0 % of them are called anomalous at a stated 4.95 %, and 1.1 % at
0.99 % (`studies/demo.py`). Nearly all of the wall is in some training tile, so new parts are harder. Defects come in
three strengths, the faint ones so that some are missed.
"""

from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from shutil import rmtree

import numpy as np

from urushi.catalogue.extras import require
from urushi.data.defects import apply, draw
from urushi.data.writing import claim, finish, write_image

TILE_PX = 96
N_TRAIN, N_GOOD, N_PER_DEFECT = 200, 50, 5  # half are held out: 99 are the fewest for a false-alarm rate of 1 %
DEFECTS = ("scratch", "blob", "stain", "crack", "hole", "paste")  # what may happen to a wall
STRENGTHS = {"full": 1.0, "half": 1 / 2, "quarter": 1 / 4}  # opacity of a defect, by the folder that it lies in
N_DEFECTIVE = len(STRENGTHS) * len(DEFECTS) * N_PER_DEFECT
_TITLE = "Demo data set of Urushi"
_ABOUT = f"""Written by `urushi demo` and written anew by it: keep nothing of your own here.

Tiles of {TILE_PX} x {TILE_PX} px of the photograph "brick" in scikit-image, licence CC0,
https://cc0textures.com/view.php?tex=Bricks25 .
All of them were drawn evenly over the whole photograph and then divided at random: {N_TRAIN} into train/good,
{N_GOOD} into test/good, and {N_DEFECTIVE} that got a defect. Tiles overlap, test tiles overlap training tiles
as well, as much as training tiles overlap each other. So the stated false-alarm rate can be checked here; but the
detector has seen nearly all of the wall, and has it easier than with new parts.
The photograph is real; the defects are synthetic, so figures measured here say nothing about real defects.
test/full, test/half and test/quarter: by how strong the defect is, from hiding what is below to a quarter of that.
Each file is named after the kind of its defect. ground_truth/ has the masks, with faint pixels as with bold ones.
Seed: """


def make_demo(folder: Path, *, seed: int = 0) -> Path:
    """Write the demo set in MVTec layout and return its folder (200 good to train, 50 good and 90 defective to test).

    The same seed gives the same pictures; in its own folder they are written anew, and what was in its parts before is
    gone. Raises InputError where the folder holds other files, MissingPackageError without scikit-image.
    """
    photograph = _photograph()
    claim(folder, _TITLE, f"{_ABOUT}{seed}")
    for part in ("train", "test", "ground_truth"):
        rmtree(folder / part, ignore_errors=True)
    drawing, division, painting = np.random.default_rng(seed).spawn(3)
    places = _places(photograph.shape, N_TRAIN + N_GOOD + N_DEFECTIVE, drawing)
    train, good, defective = _divided(places, division)
    _write_good(folder / "train" / "good", _tiles(photograph, train))
    _write_good(folder / "test" / "good", _tiles(photograph, good))
    _write_defective(folder, _tiles(photograph, defective), painting)
    finish(folder)
    return folder


def _photograph() -> np.ndarray:
    require("skimage", "train")
    from skimage import data

    brick: Callable[[], np.ndarray] = data.brick
    return brick()  # (512, 512) uint8


def _places(shape: tuple[int, ...], n_tiles: int, rng: np.random.Generator) -> np.ndarray:
    """Top left corners (n, 2) of tiles, no two the same, evenly over a photograph (H, W)."""
    allowed = (shape[0] - TILE_PX + 1, shape[1] - TILE_PX + 1)
    drawn = rng.choice(allowed[0] * allowed[1], n_tiles, replace=False)
    return np.stack(np.unravel_index(drawn, allowed), axis=1)


def _divided(places: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """The same places at random into training, good test and defective tiles: that makes them exchangeable."""
    return np.split(rng.permutation(places), [N_TRAIN, N_TRAIN + N_GOOD])


def _tiles(photograph: np.ndarray, places: np.ndarray) -> Iterable[np.ndarray]:
    return (photograph[y : y + TILE_PX, x : x + TILE_PX] for y, x in places)


def _write_good(folder: Path, tiles: Iterable[np.ndarray]) -> None:
    for number, tile in enumerate(tiles):
        write_image(folder / f"{number:03}.png", tile)


def _write_defective(folder: Path, tiles: Iterable[np.ndarray], rng: np.random.Generator) -> None:
    """Each tile gets one defect of its own: every strength of every kind as often."""
    every = product(STRENGTHS, DEFECTS, range(N_PER_DEFECT))
    for tile, (strength, kind, number) in zip(tiles, every, strict=True):
        spoilt, mask = apply(tile, draw(rng, tile.shape, kinds=[kind]), opacity=STRENGTHS[strength])
        write_image(folder / "test" / strength / f"{kind}_{number:03}.png", spoilt)
        write_image(folder / "ground_truth" / strength / f"{kind}_{number:03}_mask.png", mask)

"""Makes docs/methods/sampling.png, or a page of oriented images: python docs/orientation_picture.py [brick|DIR PNG].

What turning an image by 45° and back costs (S4 fig. 4). Or, with two arguments, images of a folder or tiles of
scikit-image's `brick`, turned by known angles, before and after orientation normalisation.
"""

import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from skimage import data

from urushi import Recipe
from urushi.models.networks.localisation import spread_degrees
from urushi.models.networks.rotation import central_square, rotate
from urushi.models.orientation_normalisation import OrientationNormalisation
from urushi.preprocessing import Pipeline

FOLDER = Path(__file__).parent / "methods"
SIDE_PX, N_TRAINING, N_SHOWN = 128, 96, 3
TURNS = torch.deg2rad(torch.arange(-60.0, 61, 20))


def tiles(n: int, seed: int) -> list[np.ndarray]:
    """Square pieces of a brick wall, all upright."""
    rng, wall = np.random.default_rng(seed), data.brick()
    corners = rng.integers(0, wall.shape[0] - SIDE_PX, (n, 2))
    return [wall[y : y + SIDE_PX, x : x + SIDE_PX] for y, x in corners]


def page(sources: list[Path] | list[np.ndarray], path: Path) -> None:
    """Two rows for each image: turned by known angles, and as the localisation network turns them."""
    pipeline = Pipeline.of(Recipe.find("oriented"))
    images = torch.from_numpy(np.stack([pipeline.read(source).pixels for source in sources]))
    torch.manual_seed(0)
    model = OrientationNormalisation((1, SIDE_PX, SIDE_PX), pretraining_epochs=200, pretraining_rate=5e-4)
    model.pretrain(images[:N_TRAINING].split(8))
    figure, axes = plt.subplots(2 * N_SHOWN, len(TURNS), figsize=(8, 2.5 * N_SHOWN), layout="constrained")
    left = []
    with torch.no_grad():
        for image in images[N_TRAINING:, None]:
            shown = rotate(image.expand(len(TURNS), -1, -1, -1), TURNS)
            angles = model.localisation(shown)
            left.append(spread_degrees(TURNS + angles))
            if len(left) <= N_SHOWN:
                draw(axes[2 * len(left) - 2 : 2 * len(left)], shown, rotate(shown, angles), left[-1])
    before = spread_degrees(TURNS)
    figure.suptitle(
        f"Turned by {math.degrees(TURNS[0]):.0f}° … {math.degrees(TURNS[-1]):.0f}° (spread {before:.0f}°), and "
        f"upright again:\nmedian spread {np.median(left):.1f}° of {len(left)} images not learnt from",
        fontsize=10,
    )
    figure.savefig(path, dpi=80)
    print(f"{path}: {before:.1f}° -> median {np.median(left):.1f}°, mean {np.mean(left):.1f}°")


def draw(axes: np.ndarray, shown: torch.Tensor, turned: torch.Tensor, left: float) -> None:
    """One image in both states, a column for each turn."""
    for row, pictures in zip(axes, (shown, turned), strict=True):
        for cell, picture in zip(row, pictures, strict=True):
            cell.imshow(picture[0], cmap="gray", vmin=0, vmax=1)
            cell.set(xticks=[], yticks=[])
    axes[0][0].set_ylabel("turned", fontsize=8)
    axes[1][0].set_ylabel(f"upright\nspread {left:.1f}°", fontsize=8)


def sampling(path: Path) -> None:
    """An image, and what is left of it after 45° and back by both ways of sampling."""
    image = torch.from_numpy(data.camera()[::4, ::4] / 255.0).float()[None, None]
    angle, square = torch.tensor([math.pi / 4]), central_square(SIDE_PX)[0, 0].bool()
    figure, axes = plt.subplots(1, 5, figsize=(11, 2.7), layout="constrained")
    panels = [("image, central square", image[0, 0] * square)]
    for way in ("bilinear", "bicubic"):
        back = rotate(rotate(image, angle, way), -angle, way)[0, 0] * square
        error = (back - image[0, 0]).abs() * square
        panels += [(f"{way}, 45° and back", back), (f"error × 5, mean {error[square].mean():.4f}", 5 * error)]
        print(f"{way}: central mean absolute error {error[square].mean():.5f}")
    for cell, (title, picture) in zip(axes, panels, strict=True):
        cell.imshow(picture.clamp(0, 1), cmap="gray", vmin=0, vmax=1)
        cell.set_title(title, fontsize=9)
        cell.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=80)


def main() -> None:
    """The picture of sampling, or a page."""
    if len(sys.argv) == 1:
        sampling(FOLDER / "sampling.png")
        return
    source, path, n = sys.argv[1], Path(sys.argv[2]), N_TRAINING + 24
    page(tiles(n, 0) if source == "brick" else sorted(Path(source).iterdir())[:n], path)


if __name__ == "__main__":
    main()

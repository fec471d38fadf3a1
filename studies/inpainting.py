"""python -m studies.inpainting [--textures brick,…] [--holes 16,32] [--steps 1200] [--pictures DIR]

How well the middle of a window of normal texture is restored: mean squared error on held-out windows of 64 px, by the
mean of what surrounds the hole, by Navier–Stokes inpainting (OpenCV), and by `siren_inpainting` as it comes, with a
convolutional decoder, with plain convolutions, and without normalisation. Held-out windows come from another part of
the photograph (`brick`, `grass`: the lower quarter), or from other images (`magnetic_tile`). Nothing is chosen by them.
Results: studies/results/inpainting.json and .md.
"""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks import command_line
from skimage import data
from torch import Tensor

from studies import DATA, RESULTS, jobs
from studies.default_choice import prepared
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.models import build_model
from urushi.models.networks.windows import Windows, filled, taken
from urushi.models.siren_inpainting import SirenInpainting
from urushi.recipe import Part, Recipe, Training
from urushi.training import train

SIDE, WINDOW, BATCH = 128, 64, 8
TEXTURES = ("brick", "grass", "magnetic_tile")
VARIANTS: dict[str, dict[str, Any]] = {
    "siren": {},
    "convolutional": {"decoder": "convolutional"},
    "plain": {"convolution": "plain"},
    "unnormalised": {"normalised": False},
}
SIMPLE = ("mean", "navier_stokes")
ABOUT = (
    "Mean squared error ×10⁻⁴ of the restored middles of held-out windows of 64 px, over the variance of what was "
    "there (in brackets: 1 is as bad as one grey level for each texture). {steps} steps of 8 images, 4 windows each."
)


def images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1, 128, 128) in [0, 1] to train on, and held out."""
    if name == "magnetic_tile":
        paths = [sample.path for sample in find_dataset(DATA / name).normal_training()]
        found = prepared(Recipe.find("siren-inpainting"), paths)
        return found[:120], found[120:]
    photograph, rng = getattr(data, name)().astype(np.float32) / 255, np.random.default_rng(0)
    return _crops(photograph[:384], 120, rng), _crops(photograph[384:], 30, rng)


def _crops(photograph: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    tops, lefts = (rng.integers(side - SIDE + 1, size=n) for side in photograph.shape)
    return np.stack([photograph[y : y + SIDE, x : x + SIDE] for y, x in zip(tops, lefts, strict=True)])[:, None]


def windows_of(held: np.ndarray, hole_px: int) -> tuple[Tensor, Tensor]:
    """Windows (n, 1, 64, 64) with a hole in the middle, and the pixels of the holes (n, P)."""
    windows = Windows(WINDOW, hole_px, 0.0, "centre")
    pixels = windows.all_pixels(SIDE, SIDE)
    return windows.cut_all(torch.tensor(held)).flatten(0, 1), pixels.repeat(len(held), 1)


def fitted(variant: str, hole_px: int, parts: tuple[np.ndarray, np.ndarray], steps: int) -> SirenInpainting:
    torch.manual_seed(0)
    part = Part.model_validate({"name": "siren_inpainting", "hole_px": hole_px, **VARIANTS[variant]})
    model = build_model(part, (1, SIDE, SIDE))
    assert isinstance(model, SirenInpainting)
    n_train = len(parts[0])
    epochs = steps * BATCH // n_train
    settings = Training(max_epochs=epochs, patience_epochs=epochs, batch_size=BATCH, accelerator="cpu")
    rows = Rows(parts[0], np.arange(n_train)), Rows(parts[0], np.arange(8))
    with tempfile.TemporaryDirectory() as folder:
        train(model, *rows, settings, seed=0, folder=Path(folder))
    return model.eval()


@torch.no_grad()
def restored(model: SirenInpainting, windows: Tensor, pixels: Tensor) -> Tensor:
    parts = zip(torch.split(windows, 64), torch.split(pixels, 64), strict=True)
    return torch.cat([model.restore(some, at) for some, at in parts]).clamp(0, 1)


def simply_restored(how: str, windows: Tensor, pixels: Tensor, hole_px: int) -> Tensor:
    """By the mean of the surroundings, or by OpenCV's Navier–Stokes, radius 5."""
    mask = torch.zeros(WINDOW**2, dtype=torch.uint8)
    mask[pixels[0]] = 1
    hole = mask.view(WINDOW, WINDOW).numpy()
    grey = [(255 * window[0].numpy()).round().astype(np.uint8) for window in windows]
    if how == "mean":
        filled = [np.full_like(image, round(image[hole == 0].mean())) for image in grey]
    else:
        filled = [cv2.inpaint(image, hole, 5, cv2.INPAINT_NS) for image in grey]
    return taken(torch.tensor(np.stack(filled))[:, None].float() / 255, pixels, hole_px)


def measure(texture: str, hole_px: int, steps: int, folder: Path | None) -> Iterator[dict[str, Any]]:
    """One row for each way of restoring."""
    parts = images(texture)
    windows, pixels = windows_of(parts[1], hole_px)
    true, shown = taken(windows, pixels, hole_px), []
    for how in (*SIMPLE, *VARIANTS):
        start = time.monotonic()
        if how in SIMPLE:
            holes = simply_restored(how, windows, pixels, hole_px)
        else:
            holes = restored(fitted(how, hole_px, parts, steps), windows, pixels)
        error = (holes - true).square().mean().item()
        seconds = round(time.monotonic() - start, 1)
        yield {
            "by": how,
            "error": error,
            "seed": 0,
            "error_over_variance": error / true.var().item(),
            "seconds": seconds,
        }
        shown.append(holes)
    if folder is not None:
        write_sheet(folder / f"{texture}-{hole_px}.png", windows, pixels, shown)


def write_sheet(path: Path, windows: Tensor, pixels: Tensor, restorations: list[Tensor]) -> None:
    """Eight windows; columns: what was there, and the same with each restoration."""
    picked = torch.linspace(0, len(windows) - 1, 8).long()
    columns = [windows[picked], *(filled(windows[picked], holes[picked], pixels[picked]) for holes in restorations)]
    sheet = torch.cat([column.flatten(0, 2) for column in columns], dim=1).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize((255 * sheet).astype(np.uint8), None, fx=2, fy=2))


def markdown(found: dict[str, Any]) -> str:
    ways = [*SIMPLE, *VARIANTS]
    lines = ["# Restoration of held-out holes", "", found["about"], ""]
    lines += [f"| texture | hole px | {' | '.join(ways)} |", "|---" * (len(ways) + 2) + "|"]
    rows = {(row["texture"], row["hole_px"], row["by"]): row for row in found["rows"]}
    for name, hole_px in sorted({key[:2] for key in rows}):
        cells = [rows[name, hole_px, way] for way in ways]
        shown = [f"{1e4 * cell['error']:.1f} ({cell['error_over_variance']:.2f})" for cell in cells]
        lines.append(f"| {name} | {hole_px} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, textures=TEXTURES, holes=(16, 32), steps=1200)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    settings = {"steps": options.steps}
    restoring = partial(measure, folder=options.pictures, **settings)
    holes = ({"texture": name, "hole_px": px} for name in options.textures for px in options.holes)
    study, about = (options.results, "inpainting"), ABOUT.format(**settings)
    jobs.run(study, holes, restoring, markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()

"""python -m studies.samples [--epochs 60] [--seeds 0,1,2] [--pictures DIR]

What a GAN of each loss makes: of scikit-learn's digits at 32 px, and of 64 px tiles of `nanofiber_sem`. A distance of
Fréchet's kind between 512 samples and as many held-out images, on pooled features of the frozen backbone (blocks 4,
40 channels), beside that of training images, which is the least to hope for; diversity, discriminator's accuracy; and
whether samples are copies: distance of a sample to the nearest training image over that of held-out images to theirs.
Grids of samples go to DIR. Results: studies/results/samples.json and .md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import scipy.linalg
import torch
from benchmarks import command_line
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from studies import DATA, RESULTS, jobs
from studies.default_choice import prepared
from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.cli._grid import write_grid
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.losses.adversarial import Contest
from urushi.models import build_model
from urushi.models.gan import Gan
from urushi.recipe import Part, Recipe, Training
from urushi.training import train

BLOCK, N_SAMPLES, N_SHOWN = 4, 512, 36
DEFAULTS = {"epochs": 60}
HEADER = "| loss | seed | Fréchet | nearest | diversity | accuracy of D | seconds | concern |"
ABOUT = (
    "{epochs} epochs, recipe's other settings. Fréchet distance: between 512 samples and held-out images on pooled "
    "features of the frozen backbone; in brackets that of training images. Nearest: median distance of samples to the "
    "nearest training image over that of held-out images to theirs; a copy would give 0."
)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out images (n, 1, 32, 32) in [0, 1] of all ten digits."""
    images = np.stack([cv2.resize(one, (32, 32), interpolation=cv2.INTER_CUBIC) for one in load_digits().images / 16.0])
    shuffled = np.random.default_rng(0).permutation(np.clip(images, 0, 1).astype(np.float32)[:, None])
    return shuffled[N_SAMPLES:], shuffled[:N_SAMPLES]


def nanofiber() -> tuple[np.ndarray, np.ndarray]:
    """Tiles (n, 1, 64, 64) at random places; those held out come from other images."""
    paths = [sample.path for sample in find_dataset(DATA / "nanofiber_sem").normal_training()]
    images = prepared(Recipe.find("convolutional-bigan"), paths)[:, 0]
    order, rng = np.random.default_rng(0).permutation(len(images)), np.random.default_rng(1)
    held = len(images) // 3
    parts = (order[held:], 1200), (order[:held], N_SAMPLES)
    train_tiles, other = ([_tile(images[rng.choice(part)], rng) for _ in range(n)] for part, n in parts)
    return np.stack(train_tiles), np.stack(other)


IMAGES = {"digits": digits, "nanofiber_sem": nanofiber}


def _tile(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = rng.integers(0, [side - 63 for side in image.shape])
    return image[None, y : y + 64, x : x + 64]


@torch.no_grad()
def moments(images: np.ndarray, backbone: LiteBackbone) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and covariance (C, C) of pooled features."""
    batches = torch.tensor(images).split(64)
    found = [backbone(F.interpolate(batch, scale_factor=2))[0].mean(dim=(2, 3)) for batch in batches]
    features = torch.cat(found).double().numpy()
    return features.mean(axis=0), np.cov(features.T)


def frechet(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Squared Fréchet distance of two normal distributions."""
    root = scipy.linalg.sqrtm(one[1] @ other[1])
    return float(((one[0] - other[0]) ** 2).sum() + np.trace(one[1] + other[1] - 2 * np.real(root)))


def nearest(images: np.ndarray, known: np.ndarray) -> float:
    """Median distance to the nearest of those that are known."""
    one, other = (torch.tensor(x).flatten(1) for x in (images, known))
    return float(torch.cdist(one, other).min(dim=1).values.median())


def measure(data: str, loss: str, seed: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    known, held = IMAGES[data]()
    torch.manual_seed(seed)  # of the first weights
    model = build_model(Part.model_validate({"name": "gan", "loss": loss}), known.shape[1:])
    assert isinstance(model, Gan)
    settings = Training(max_epochs=options.epochs, patience_epochs=options.epochs, batch_size=32, accelerator="cpu")
    start, backbone = time.monotonic(), LiteBackbone([BLOCK]).eval()
    with tempfile.TemporaryDirectory() as folder:
        rows = Rows(known, np.arange(len(known))), Rows(held, np.arange(256))
        trained = train(model, *rows, settings, seed=seed, folder=Path(folder))
    seconds, made = time.monotonic() - start, sampled(model)
    with torch.no_grad():
        measured = model.measurements(torch.tensor(held))
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        write_grid(options.pictures / f"{data}-{loss}-{seed}.png", made[:N_SHOWN].transpose(0, 2, 3, 1))
    reference = moments(held, backbone)
    yield {
        "seconds": round(seconds, 1),
        "best_epoch": trained.best_epoch,
        "concern": trained.concern,
        "frechet": frechet(moments(made, backbone), reference),
        "frechet_of_training": frechet(moments(known[:N_SAMPLES], backbone), reference),
        "nearest": nearest(made, known) / nearest(held, known),
    } | {key: value.item() for key, value in measured.items()}


def sampled(model: Gan) -> np.ndarray:
    torch.manual_seed(0)
    with torch.no_grad():
        made: Tensor = torch.cat([model.sample(64, *model.image_shape[1:]) for _ in range(N_SAMPLES // 64)])
    return made.numpy()


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Samples of each loss", "", found["about"], ""]
    for data in IMAGES:
        rows = [row for row in found["rows"] if row["data"] == data]
        lines += [f"## {data}", "", HEADER, "|---" * HEADER.count(" | ") + "|---|"]
        for row in rows:
            distance = f"{row['frechet']:.3f} ({row['frechet_of_training']:.3f})"
            shown = (f"{row[key]:.2f}" for key in ("nearest", "diversity", "discriminator_accuracy"))
            cells = row["loss"], str(row["seed"]), distance, *shown, f"{row['seconds']:.0f}", row["concern"] or "—"
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, losses=get_args(Contest), seeds=(0, 1, 2), **DEFAULTS)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    settings = {"epochs": options.epochs}
    columns = product(options.seeds, IMAGES, options.losses)
    contests = ({"data": name, "loss": loss, "seed": seed} for seed, name, loss in columns)
    study, about = (options.results, jobs.named("samples", settings, DEFAULTS)), ABOUT.format(**settings)
    jobs.run(study, contests, partial(measure, options=options), markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()

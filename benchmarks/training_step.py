"""python -m benchmarks.training_step [--recipes autoencoder,variational-autoencoder] [--batch-sizes 16,32]

A training step through urushi against the bare PyTorch loop: same network from the same seed, batch, optimiser, threads
and 128x128 grey images in memory.

Through urushi: `urushi.training.train` as `fit` calls it, with its Lightning module and trainer, its shuffled loader,
its check for finite losses, and, after each epoch, validation, best and last checkpoint, CSV and TensorBoard logs.
Bare: shuffle, index, loss, zero_grad, backward, step; after each epoch the same validation loss, and nothing else.

`training.keep_memory`, which our CPU-sized recipes switch on, is off here, because it would speed up one side only.

Both sides note when each training step begins. The figure is the time from the first step after the warm-up epochs to
the first step of the last epoch, over the steps between: whole epochs, ends of epochs included, set-up left out.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import command_line, record
from benchmarks.tiles import grey_tiles
from urushi.data.loader import Rows
from urushi.models.base import Reconstructor
from urushi.recipe import Recipe
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph
from urushi.training import train

RECIPES = ("autoencoder", "variational-autoencoder")
IMAGE_PX = 128
AT_MOST = 1.15


@dataclass(frozen=True)
class Setting:
    recipe: str
    batch_size: int
    n_training: int
    n_validation: int
    n_epochs: int
    n_warm_up_epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.n_training // self.batch_size)

    def build(self) -> tuple[Recipe, Reconstructor]:
        """The network as `fit` makes it, memory format included."""
        recipe = Recipe.find(self.recipe).with_settings(
            {
                "training.batch_size": self.batch_size,
                "training.max_epochs": self.n_epochs,
                "training.patience_epochs": self.n_epochs,
                "training.accelerator": "cpu",
                "training.keep_memory": False,  # the bare loop has no such thing
            }
        )
        return recipe, TorchBackend(build_graph(recipe, (1, IMAGE_PX, IMAGE_PX), self.seed)).graph.model


class Clock:
    """Notes when each training step begins; validation runs without gradients and is not noted."""

    def __init__(self, model: Reconstructor) -> None:
        self.starts: list[float] = []
        self._losses = model.losses
        model.losses = self._noted  # type: ignore[method-assign]

    def _noted(self, inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        if torch.is_grad_enabled():
            self.starts.append(time.perf_counter())
        return self._losses(inputs)

    def read(self, setting: Setting) -> dict[str, float]:
        """Seconds per step over whole epochs; of it, within epochs, and from the last step of one into the next."""
        n = setting.steps_per_epoch
        assert len(self.starts) == n * setting.n_epochs, "not every step was noted"
        steady = np.array(self.starts[n * setting.n_warm_up_epochs : -n + 1 or None])
        gaps = np.diff(steady)
        ends = gaps[n - 1 :: n]
        within = np.delete(gaps, np.arange(n - 1, len(gaps), n))
        return {
            "seconds_per_step": float(gaps.mean()),
            "median_seconds_within_epoch": float(np.median(within)) if len(within) else 0.0,
            "median_seconds_end_of_epoch": float(np.median(ends)),
        }


def through_urushi(setting: Setting, images: np.ndarray) -> dict[str, float]:
    recipe, model = setting.build()
    clock = Clock(model)
    parts = np.split(np.arange(len(images)), [setting.n_training])
    training, validation = (Rows(images, part) for part in parts)
    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:
        train(model, training, validation, recipe.training, seed=setting.seed, folder=Path(folder))
    return clock.read(setting)


def bare(setting: Setting, images: np.ndarray) -> dict[str, float]:
    _, model = setting.build()
    clock = Clock(model)
    training, validation = torch.from_numpy(images).split([setting.n_training, setting.n_validation])
    (optimizer,) = model.optimizers().values()
    for _ in range(setting.n_epochs):
        _epoch(model, optimizer, training, setting.batch_size)
        _validate(model, validation, setting.batch_size)
    return clock.read(setting)


def _epoch(model: Reconstructor, optimizer: torch.optim.Optimizer, images: torch.Tensor, batch_size: int) -> None:
    model.train()
    for rows in torch.randperm(len(images)).split(batch_size):
        ((_, loss),) = model.losses(images[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _validate(model: Reconstructor, images: torch.Tensor, batch_size: int) -> None:
    model.eval()
    with torch.no_grad():
        for batch in images.split(batch_size):
            model.validation_loss(batch)


def compare(setting: Setting, n_repeats: int) -> dict[str, Any]:
    images = grey_tiles(setting.n_training + setting.n_validation, IMAGE_PX, setting.seed)
    measures = {"urushi": lambda: through_urushi(setting, images), "bare": lambda: bare(setting, images)}
    found = record.interleave(measures, n_repeats, n_warm_up=1)
    seconds = {side: [one["seconds_per_step"] for one in runs] for side, runs in found.items()}
    return {
        "setting": asdict(setting) | {"steps_per_epoch": setting.steps_per_epoch},
        "ratio": record.judged(record.ratio(seconds["urushi"], seconds["bare"]), at_most=AT_MOST),
        "seconds_per_step": {side: record.spread(values) for side, values in seconds.items()},
        "of_it": {side: _medians(runs) for side, runs in found.items()},
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0] if name != "seconds_per_step"}


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    header = record.environment() | {"seed": options.seed, "n_threads": options.threads, "n_repeats": options.repeats}
    about = {"n_warm_up_runs": 1, "reference": "bare", "compares": __doc__}
    sizes = (options.images, options.validation, options.epochs, options.warm_up_epochs, options.seed)
    settings = [Setting(name, size, *sizes) for name in options.recipes for size in options.batch_sizes]
    results = [compare(setting, options.repeats) for setting in settings]
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "training_step", header | after | about | {"results": results})
    record.show(("recipe", "batch", "urushi ms/step", "bare ms/step", "ratio"), [_row(result) for result in results])


def _row(result: dict[str, Any]) -> tuple[Any, ...]:
    ms = [f"{1000 * result['seconds_per_step'][side]['median']:.2f}" for side in ("urushi", "bare")]
    return result["setting"]["recipe"], result["setting"]["batch_size"], *ms, record.ratio_cell(result["ratio"])


def _options() -> argparse.Namespace:
    n = torch.get_num_threads()
    parser = command_line.parser(
        __doc__, recipes=RECIPES, batch_sizes=(16, 32), validation=32, warm_up_epochs=2, repeats=5, threads=n, seed=0
    )
    parser.add_argument("--images", type=int, default=256, help="to train on, about what the recipes are made for")
    parser.add_argument("--epochs", type=int, default=12, help="per run, the warm-up among them")
    options = parser.parse_args()
    if options.epochs < options.warm_up_epochs + 2:
        parser.error("--epochs must be at least two more than --warm-up-epochs: what is timed lies between")
    return options


if __name__ == "__main__":
    main()

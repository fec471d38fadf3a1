"""The learning-rate finder: watches the loss while the rate grows from step to step (S2 §6.2.1)."""

import csv
import io
from pathlib import Path

import numpy as np
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.tuner.tuning import Tuner
from torch import Tensor

from urushi import atomic_file
from urushi.errors import TrainingError
from urushi.models.base import Reconstructor
from urushi.recipe import Training
from urushi.training.module import TrainingModule

_SMALLEST, _LARGEST = 1e-6, 0.1
_SMOOTHED_STEPS = 11
_FILE = "learning_rate.csv"  # of a run's folder: what the finder saw


def find_learning_rate(
    model: Reconstructor, data: LightningDataModule, settings: Training, seed: int, folder: Path
) -> float:
    """A rate from a range test by Lightning's Tuner, weights untouched; what it saw goes into the folder.

    Raises TrainingError if it cannot tell.
    """
    if len(model.optimizers()) != 1:
        raise TrainingError("the learning-rate finder serves methods with one optimiser; set the rates yourself")
    trainer = Trainer(
        accelerator=settings.accelerator,
        devices=1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    test = _RangeTest(model, seed)
    Tuner(trainer).lr_find(test, datamodule=data, min_lr=_SMALLEST, max_lr=_LARGEST, update_attr=False)
    _write(folder / _FILE, test.rates, test.losses)
    return suggested_rate(test.rates, test.losses)


def suggested_rate(rates: list[float], losses: list[float]) -> float:
    """A tenth of the rate at which the smoothed loss is lowest: the edge of explosion is near that one (S2 §6.2.1).

    Lightning's own suggestion is the steepest descent per unit of the rate, which favours the smallest rates of an
    exponential range: 3.5e-6 for both of our models. Raises TrainingError with fewer losses than are smoothed over.
    """
    if len(losses) < _SMOOTHED_STEPS:
        raise TrainingError("the learning-rate finder saw too few steps; set model.learning_rate yourself")
    smoothed = np.convolve(losses, np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS), mode="valid")
    lowest = len(smoothed) - 1 - int(np.argmin(smoothed[::-1]))  # of equals the largest rate
    return rates[lowest + _SMOOTHED_STEPS // 2] / 10


def _write(path: Path, rates: list[float], losses: list[float]) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([("rate", "loss"), *zip(rates, losses, strict=True)])
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.replace(path, table.getvalue().encode(), is_durable=False)


class _RangeTest(TrainingModule):
    """Notes rate and loss of each step, and ends where the loss explodes: to find that rate is what it is for."""

    def __init__(self, model: Reconstructor, seed: int) -> None:
        super().__init__(model, seed)
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_train_start(self) -> None:
        """Lightning's own bar is shown even where nobody looks."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.progress_bar_refresh_rate = 0

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        try:
            loss = super().training_step(batch, index)
        except TrainingError:
            self.trainer.should_stop = True
            return batch.new_tensor(float("nan"))
        self.rates.append(rate)
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        """Nothing: the test watches the training loss."""

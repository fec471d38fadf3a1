"""The one Lightning module: it takes the losses that a method yields, phase by phase, and knows no method."""

import logging
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from numpy.random import SeedSequence
from torch import Tensor
from torch.optim import Optimizer

from urushi.errors import TrainingError
from urushi.models.base import Reconstructor, seed_all

_WORRIED_EPOCHS = 3  # a fresh generator makes the same of every code
MEASURED = "measured"  # its key in a checkpoint
_MEASURED = f"{MEASURED}/"


class TrainingModule(LightningModule):
    """Backpropagates and steps each loss with its own optimiser before the method computes the next one.

    Every step seeds its random numbers anew from (seed, epoch, index, rank), so that a run that was killed and resumed
    draws what it would have drawn. Seeding the epoch is not enough: Lightning makes the loader's iterator, which draws
    a number, at another moment when it resumes.
    """

    def __init__(self, model: Reconstructor, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.seed = model, seed
        self.optimizer_names: list[str] = []
        self.measured: dict[str, float] = {}  # by the method, on the last validation
        self.concern: str | None = None  # what the method found wrong with its last epoch, in words
        self._worried_epochs = 0

    def configure_optimizers(self) -> list[Optimizer]:
        optimizers = self.model.optimizers()
        self.optimizer_names = list(optimizers)
        return list(optimizers.values())

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        """One step of every phase; returns the sum of the losses for the learning-rate finder."""
        self._seed("training", index)
        optimizers = self._optimizers()
        total = batch.new_zeros(())
        for name, loss in self.model.losses(batch):
            self._step(optimizers[name], loss)
            self.log(f"train/{name}", loss.detach(), on_epoch=True, on_step=False, prog_bar=True, sync_dist=True)
            total += loss.detach()
        self._step_schedulers()
        return total

    def on_validation_epoch_start(self) -> None:
        """The weights that are looked at, and kept where they are the best, are ready for use."""
        self._seed("validation", 0)
        self.model.settle()

    def validation_step(self, batch: Tensor, index: int) -> None:
        """Logs what early stopping and the best checkpoint watch."""
        self._seed("validation", index)
        loss = self.model.validation_loss(batch)
        self._require_finite(loss, "validation loss")
        self.log("validation", loss, prog_bar=True, batch_size=len(batch), sync_dist=True)
        for name, value in self.model.measurements(batch).items():
            self.log(f"{_MEASURED}{name}", value, batch_size=len(batch), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Warns in words, once the method has been worried about its training for several epochs on end."""
        logged = self.trainer.callback_metrics.items()
        self.measured = {n.removeprefix(_MEASURED): value.item() for n, value in logged if n.startswith(_MEASURED)}
        concern = self.model.concern(self.measured) if self.measured else None
        self._worried_epochs = self._worried_epochs + 1 if concern else 0
        if self._worried_epochs == _WORRIED_EPOCHS:
            logging.getLogger(__name__).warning("epoch %d: %s", self.current_epoch, concern)
        self.concern = concern if self._worried_epochs >= _WORRIED_EPOCHS else None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What was measured goes with the weights that it was measured of."""
        checkpoint[MEASURED] = self.measured

    def _step(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        self._require_finite(loss, "loss")
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def _seed(self, part: Literal["training", "validation"], index: int) -> None:
        numbers = (self.seed, self.current_epoch, index, self.global_rank, part == "validation")
        seed_all(int(SeedSequence(numbers).generate_state(1, np.uint64)[0]))

    def _require_finite(self, loss: Tensor, named: str) -> None:
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the {named} became {loss.item()} in epoch {self.current_epoch}; lower the learning rate with "
                "--set model.learning_rate=…, or check the preprocessing"
            )

    def _optimizers(self) -> dict[str, LightningOptimizer]:
        found: Any = self.optimizers()
        return dict(zip(self.optimizer_names, found if isinstance(found, list) else [found], strict=True))

    def _step_schedulers(self) -> None:
        """Lightning steps no scheduler under manual optimisation; its learning-rate finder brings one along."""
        for config in self.trainer.lr_scheduler_configs:
            config.scheduler.step()  # type: ignore[call-arg]

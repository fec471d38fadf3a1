"""What a method rebuilds of the same few images, from epoch to epoch (S2 §6.2)."""

import io
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from urushi import atomic_file
from urushi.data.loader import Rows
from urushi.data.stream import evenly
from urushi.models.base import seed_all
from urushi.training.module import TrainingModule

_MOST_IMAGES = 4
FOLDER = "reconstructions"  # of a run's folder: epoch-N.npy, (2, n, C, H, W) uint8: what came, and what was rebuilt


class Reconstructions(Callback):
    """Written after the first epoch and every so many, of images that training does not see; drawn by nobody here."""

    def __init__(self, rows: Rows, every: int, folder: Path) -> None:
        self.images = rows.__getitems__(evenly(range(len(rows)), _MOST_IMAGES))
        self.every, self.folder = every, folder / FOLDER

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning has the module in evaluation mode here, and computes no gradients."""
        epoch = trainer.current_epoch
        if trainer.is_global_zero and (epoch == 0 or (epoch + 1) % self.every == 0):
            assert isinstance(pl_module, TrainingModule)
            self._write(epoch, self._rebuilt(pl_module))

    def _rebuilt(self, module: TrainingModule) -> Tensor:
        with torch.random.fork_rng(), torch.no_grad():
            seed_all(0)
            pair = module.model.reconstruct(self.images.to(module.device))
        return torch.stack([pair.original, module.model.picture(pair)]).cpu()

    def _write(self, epoch: int, pictures: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(content := io.BytesIO(), pictures.clamp(0, 1).mul(255).round().byte().numpy(), allow_pickle=False)
        atomic_file.replace(self.folder / f"epoch-{epoch}.npy", content.getvalue(), is_durable=False)

"""The learning-rate finder: the rate at which the loss falls fastest while the rate grows (S2 §6.2.1)."""

from pathlib import Path

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.tuner.tuning import Tuner
from torch import Tensor

from urushi.errors import TrainingError
from urushi.models.base import Reconstructor
from urushi.recipe import Training
from urushi.training.module import TrainingModule


def find_learning_rate(
    model: Reconstructor, data: LightningDataModule, settings: Training, seed: int, folder: Path
) -> float:
    """The rate that Lightning's Tuner suggests, weights untouched; raises TrainingError if it cannot tell."""
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
    finder = Tuner(trainer).lr_find(
        _RangeTest(model, seed), datamodule=data, min_lr=1e-6, max_lr=0.1, update_attr=False
    )
    suggestion = finder.suggestion() if finder else None
    if suggestion is None:
        raise TrainingError("the learning-rate finder saw too few steps; set model.learning_rate yourself")
    return float(suggestion)


class _RangeTest(TrainingModule):
    """Ends where the loss explodes: to find that rate is what the range test is for."""

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        try:
            return super().training_step(batch, index)
        except TrainingError:
            self.trainer.should_stop = True
            return batch.new_tensor(float("nan"))

    def validation_step(self, batch: Tensor, index: int) -> None:
        """Nothing: the test watches the training loss."""

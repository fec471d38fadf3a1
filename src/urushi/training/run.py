"""Trains one model on cached inputs: learning-rate finder, early stopping, checkpoints, exact resume, logs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.tuner.tuning import Tuner
from torch import Tensor
from torch.utils.data import DataLoader

from urushi.data.loader import Rows, loader
from urushi.errors import TrainingError
from urushi.models.base import Reconstructor
from urushi.recipe import Training
from urushi.training.kept_memory import kept_memory
from urushi.training.module import TrainingModule

Progress = Literal["bar", "none"]


@dataclass(frozen=True)
class Trained:
    """What a training run was, for the card."""

    epochs: int
    best_epoch: int
    best_validation_loss: float
    learning_rate: float


class _EarlyStopping(EarlyStopping):
    """A run that had stopped before it was killed stops at once when it is resumed, not one epoch later."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002  Lightning's signature
        trainer.should_stop = self.wait_count >= self.patience


class _Checkpoint(ModelCheckpoint):
    """The folder of a run may have been moved before the run is resumed; Lightning would forget the best epoch."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        old, new = str(state_dict["dirpath"]), str(self.dirpath)

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {moved(key): item for key, item in value.items()}
            return new + value.removeprefix(old) if isinstance(value, str) and value.startswith(old) else value

        super().load_state_dict({key: moved(value) for key, value in state_dict.items()})


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


class _Data(LightningDataModule):
    def __init__(self, train: Rows, validation: Rows, settings: Training, seed: int) -> None:
        super().__init__()
        self.train_rows, self.validation_rows, self.settings, self.seed = train, validation, settings, seed

    def train_dataloader(self) -> DataLoader[Tensor]:
        return self._loader(self.train_rows, shuffle=True)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return self._loader(self.validation_rows, shuffle=False)

    def _loader(self, rows: Rows, *, shuffle: bool) -> DataLoader[Tensor]:
        size, seed = self.settings.batch_size, self.seed
        assert self.trainer is not None
        n, rank = self.trainer.world_size, self.trainer.global_rank
        return loader(rows, size, seed=seed, n_replicas=n, rank=rank, shuffle=shuffle)


def train(
    model: Reconstructor,
    inputs: np.ndarray,
    training: np.ndarray,
    validation: np.ndarray,
    settings: Training,
    *,
    seed: int,
    folder: Path,
    resume: bool = False,
    progress: Progress = "none",
) -> Trained:
    """Trains the model in place on rows of `inputs` (n, …) and leaves it with the weights of its best epoch.

    Checkpoints and logs go to `folder`; with `resume` an earlier run there is continued from its last whole epoch, to
    the same weights as if it had never stopped. Raises TrainingError.
    """
    model.train()  # Lightning keeps the mode in which modules come
    data = _Data(Rows(inputs, training), Rows(inputs, validation), settings, seed)
    last = folder / "last.ckpt"
    with _quiet(), kept_memory(is_wanted=settings.keep_memory):
        if settings.find_learning_rate and not (resume and last.exists()):
            model.learning_rate = _find_learning_rate(model, data, settings, seed, folder)
        trainer = _trainer(settings, folder, progress)
        module = TrainingModule(model, seed)
        trainer.fit(module, data, ckpt_path=_readable(last) if resume and last.exists() else None, weights_only=True)
    return _best(model, module, trainer)


def _trainer(settings: Training, folder: Path, progress: Progress) -> Trainer:
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=settings.strategy,
        precision=settings.precision,
        max_epochs=settings.max_epochs,
        callbacks=_callbacks(settings, folder, progress),
        logger=_loggers(folder),
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=progress == "bar",
        use_distributed_sampler=False,  # the loader brings its own, seeded by epoch
        default_root_dir=folder,
    )


def _callbacks(settings: Training, folder: Path, progress: Progress) -> list[Callback]:
    best = _Checkpoint(folder, "best", monitor="validation", enable_version_counter=False)
    every = _Checkpoint(
        folder, "epoch-{epoch}", every_n_epochs=settings.checkpoint_epochs, save_top_k=-1, auto_insert_metric_name=False
    )
    last = _Checkpoint(folder, "last", every_n_epochs=1, enable_version_counter=False)
    # The last checkpoint comes last, so that it holds the state of the others.
    bar: list[Callback] = [RichProgressBar(console_kwargs={"stderr": True})] if progress == "bar" else []
    return [_EarlyStopping("validation", patience=settings.patience_epochs), *bar, best, every, last]


def _loggers(folder: Path) -> list[Logger]:
    csv = CSVLogger(folder, name="logs")
    loggers: list[Logger] = [csv]
    try:
        loggers.append(TensorBoardLogger(folder, name="logs", version=csv.version))
    except ModuleNotFoundError:  # the extra `tracking` is not installed: CSV alone
        logging.getLogger(__name__).info("no TensorBoard log: pip install 'urushi[tracking]'")
    return loggers


def _find_learning_rate(model: Reconstructor, data: _Data, settings: Training, seed: int, folder: Path) -> float:
    """Where the loss falls fastest while the rate grows (S2 §6.2.1), by Lightning's Tuner."""
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


def _best(model: Reconstructor, module: TrainingModule, trainer: Trainer) -> Trained:
    checkpoint = next(c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None) == "validation")
    assert isinstance(checkpoint, ModelCheckpoint)
    state = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    model.eval()
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert checkpoint.best_model_score is not None
    return Trained(trainer.current_epoch, int(state["epoch"]), checkpoint.best_model_score.item(), float(rate))


def _readable(checkpoint: Path) -> Path:
    """The same path; raises TrainingError if the file is damaged, for which Lightning has every exception there is."""
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"{checkpoint} is damaged; remove {checkpoint.parent} to start anew") from error
    return checkpoint


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's hints are for people who write training scripts; its warnings stay."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")  # the data is in memory
        warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")  # Lightning 2.6 with newer PyTorch
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")  # that is resuming
        try:
            yield
        finally:
            logger.setLevel(level)

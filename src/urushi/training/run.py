"""Trains one model on cached inputs: learning-rate finder, early stopping, checkpoints, exact resume, logs."""

import logging
import math
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from urushi.catalogue.extras import how_to_install
from urushi.data.loader import Rows, loader
from urushi.data.progress import Track, untracked
from urushi.models.base import Reconstructor
from urushi.recipe import Training
from urushi.training.checkpoints import AtomicCheckpoints, Trained, callbacks, opened, readable
from urushi.training.kept_memory import kept_memory
from urushi.training.learning_rate import find_learning_rate
from urushi.training.module import MEASURED, TrainingModule
from urushi.training.reconstructions import Reconstructions
from urushi.training.several_processes import SharedStatistics, n_processes, strategy


class _Data(LightningDataModule):
    def __init__(self, train: Rows, validation: Rows, settings: Training, seed: int) -> None:
        super().__init__()
        self.train_rows, self.validation_rows, self.settings, self.seed = train, validation, settings, seed

    def train_dataloader(self) -> DataLoader[Tensor]:
        return self._loader(self.train_rows, shuffle=True)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return self._loader(self.validation_rows, shuffle=False)

    def _loader(self, rows: Rows, *, shuffle: bool) -> DataLoader[Tensor]:
        assert self.trainer is not None
        n, rank = self.trainer.world_size, self.trainer.global_rank
        size = self.settings.batch_size * n_processes(self.settings) // n  # the finder's one process sees whole batches
        return loader(rows, size, seed=self.seed, n_replicas=n, rank=rank, shuffle=shuffle)


def train(
    model: Reconstructor,
    training: Rows,
    validation: Rows,
    settings: Training,
    *,
    seed: int,
    folder: Path,
    resume: bool = False,
    checkpoint: str | None = None,
    track: Track = untracked,
) -> Trained:
    """Trains the model in place on rows of inputs and leaves it with the weights of its best epoch.

    Checkpoints and logs go to `folder`; with `resume` an earlier run there is continued from its last whole epoch, to
    the same weights as if it had never stopped. With the name of a `checkpoint` in it, nothing is trained: the weights
    are those. Raises TrainingError.
    """
    if checkpoint is not None:
        return opened(model, folder, checkpoint)
    model.train()  # Lightning keeps the mode in which modules come
    data = _Data(training, validation, settings, seed)
    last = folder / "last.ckpt"
    with _quiet(), _interruptible(), kept_memory(is_wanted=settings.keep_memory):
        if settings.find_learning_rate and not (resume and last.exists()):
            model.learning_rate = find_learning_rate(model, data, settings, seed, folder)
        settings = settings.model_copy(update={"max_epochs": most_epochs(settings, len(training))})
        pictures = _pictures(model, validation, settings, folder)
        chosen = strategy(settings, model)
        trainer = _trainer(settings, chosen, [_Bar(track), *pictures, *callbacks(settings, folder)], folder)
        module = TrainingModule(model, seed)
        trainer.fit(module, data, ckpt_path=readable(last) if resume and last.exists() else None, weights_only=True)
    return _best(model, module, trainer)


def most_epochs(settings: Training, n_images: int) -> int:
    """Whole epochs within the budget of steps, so that each ends as early stopping and resuming need it."""
    n_batches = math.ceil(n_images / (settings.batch_size * n_processes(settings)))
    within = max(settings.max_steps // n_batches, 1) if settings.max_steps else settings.max_epochs
    return min(settings.max_epochs, within)


def _pictures(model: Reconstructor, rows: Rows, settings: Training, folder: Path) -> list[Callback]:
    """Of methods that rebuild images."""
    is_wanted = settings.picture_epochs > 0 and model.space == "pixels"
    return [Reconstructions(rows, settings.picture_epochs, folder)] if is_wanted else []


def _trainer(settings: Training, chosen: str, callbacks: list[Callback], folder: Path) -> Trainer:
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=chosen,
        precision=settings.precision,
        max_epochs=settings.max_epochs,
        callbacks=callbacks,
        plugins=[AtomicCheckpoints(), *([SharedStatistics()] if n_processes(settings) > 1 else [])],
        logger=_loggers(folder),
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,  # the loader brings its own, seeded by epoch
        default_root_dir=folder,
    )


class _Bar(Callback):
    """Shows how many of the steps are done that it takes at most; early stopping may end it before."""

    def __init__(self, track: Track) -> None:
        self.track, self.steps = track, iter(range(0))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002  Lightning's signature
        if trainer.is_global_zero and trainer.max_epochs is not None:
            n = (trainer.max_epochs - trainer.current_epoch) * int(trainer.num_training_batches)
            self.steps = self.track(range(n), f"training, at most {trainer.max_epochs} epochs", n)

    def on_train_batch_start(self, *_: object) -> None:
        next(self.steps, None)

    def on_train_end(self, *_: object) -> None:
        self.steps = iter(range(0))  # nothing is shown any more


def _loggers(folder: Path) -> list[Logger]:
    csv = CSVLogger(folder, name="logs")
    loggers: list[Logger] = [csv]
    try:
        loggers.append(TensorBoardLogger(folder, name="logs", version=csv.version))
    except ModuleNotFoundError:  # the extra `tracking` is not installed: CSV alone
        logging.getLogger(__name__).info(f"no TensorBoard log: {how_to_install('tracking')}")
    return loggers


def _best(model: Reconstructor, module: TrainingModule, trainer: Trainer) -> Trained:
    checkpoint = next(c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None) == "validation")
    assert isinstance(checkpoint, ModelCheckpoint)
    state = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    model.eval()
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert checkpoint.best_model_score is not None
    best, loss = int(state["epoch"]), checkpoint.best_model_score.item()
    return Trained(trainer.current_epoch, best, loss, float(rate), module.concern, state.get(MEASURED, {}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's hints are for people who write training scripts; its warnings stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")  # the data is in memory
        warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")  # Lightning 2.6 with newer PyTorch
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")  # that is resuming
        warnings.filterwarnings("ignore", ".*module\\(s\\) in eval mode at the start.*")  # frozen ones stay so
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """An interrupt stays one: Lightning makes an exit with status 1 of it, and the process deaf to the next."""
    hears = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, hears)
        raise KeyboardInterrupt from None

"""What is kept of a run while it goes on, and when it stops; all of it survives a kill and a move of the folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from urushi.errors import TrainingError
from urushi.models.base import Reconstructor
from urushi.recipe import Training
from urushi.training.module import MEASURED, TrainingModule


@dataclass(frozen=True)
class Trained:
    """What a training run was, for the card."""

    epochs: int
    best_epoch: int
    best_validation_loss: float
    learning_rate: float
    concern: str | None = None  # what the method found wrong with the last epoch
    measurements: Mapping[str, float] = field(default_factory=dict)  # by the method, of the weights that are kept


_BEST = "best"


def callbacks(settings: Training, folder: Path) -> list[Callback]:
    """Early stopping, and the checkpoints `best`, `epoch-N` every so many epochs, and `last` after each."""
    best = _Checkpoint(folder, _BEST, monitor="validation", enable_version_counter=False)
    every = _Checkpoint(
        folder, "epoch-{epoch}", every_n_epochs=settings.checkpoint_epochs, save_top_k=-1, auto_insert_metric_name=False
    )
    last = _Checkpoint(folder, "last", every_n_epochs=1, enable_version_counter=False)
    # The last checkpoint comes last, so that it holds the state of the others.
    return [_EarlyStopping("validation", patience=settings.patience_epochs), best, every, last]


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes beside the target and renames; Lightning's own way crosses file systems where /tmp is another one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.part")
        torch.save(checkpoint, draft)
        draft.replace(target)


def readable(checkpoint: Path) -> Path:
    """The same path; raises TrainingError if the file is damaged."""
    _read(checkpoint)
    return checkpoint


def opened(model: Reconstructor, folder: Path, name: str) -> Trained:
    """Gives the model the weights that a run kept as `NAME.ckpt` of its folder; raises TrainingError."""
    names = sorted((path.stem for path in folder.glob("*.ckpt")), key=lambda stem: (len(stem), stem))
    if name not in names:
        there = f"; there are {', '.join(names)}" if names else ""
        raise TrainingError(f"{folder} holds no checkpoint {name!r}{there}")
    state = _read(folder / f"{name}.ckpt")
    TrainingModule(model, 0).load_state_dict(state["state_dict"])
    model.eval()
    rate, epoch = state["optimizer_states"][0]["param_groups"][0]["lr"], int(state["epoch"])
    loss, measured = _validation_loss(state), state.get(MEASURED, {})
    return Trained(epoch + 1, epoch, loss, float(rate), measurements=measured)


def _validation_loss(state: Mapping[str, Any]) -> float:
    """Of the epoch of a checkpoint."""
    (best,) = (found for key, found in state["callbacks"].items() if key.endswith(_BEST))
    return float(best["current_score"])


def _read(checkpoint: Path) -> dict[str, Any]:
    """What it holds, unpickling nothing but tensors; Lightning has every exception there is for a damaged one."""
    try:
        return dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except Exception as error:
        raise TrainingError(f"{checkpoint} is damaged; remove {checkpoint.parent} to start anew") from error


class _EarlyStopping(EarlyStopping):
    """A run that had stopped before it was killed stops at once when it is resumed, not one epoch later."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002  Lightning's signature
        trainer.should_stop = self.wait_count >= self.patience


class _Checkpoint(ModelCheckpoint):
    """The folder of a run may have been moved before the run is resumed; Lightning would forget the best epoch."""

    @property
    def state_key(self) -> str:
        """Lightning's own is the same for two that write as often, and it refuses those."""
        return f"{super().state_key}{self.filename}"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        old, new = str(state_dict["dirpath"]), str(self.dirpath)

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {moved(key): item for key, item in value.items()}
            return new + value.removeprefix(old) if isinstance(value, str) and value.startswith(old) else value

        super().load_state_dict({key: moved(value) for key, value in state_dict.items()})

"""Training by gradient steps: the only place that knows Lightning. One module serves every method."""

from urushi.training.checkpoints import Trained
from urushi.training.run import train
from urushi.training.run_folder import digest, finish, held, is_unfinished, open_folder, require_run

__all__ = [
    "Trained",
    "digest",
    "finish",
    "held",
    "is_unfinished",
    "open_folder",
    "require_run",
    "train",
]

"""Training by gradient steps: the only place that knows Lightning. One module serves every method."""

from urushi.training.run import Progress, Trained, train
from urushi.training.run_folder import digest, finish, open_folder

__all__ = ["Progress", "Trained", "digest", "finish", "open_folder", "train"]

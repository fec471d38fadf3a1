"""Fits of methods in closed form on many parts of the same images, as folds are. Imported only when fitting."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from urushi.models.base import Reconstructor, Statistics, added, summed

Places = Callable[[np.ndarray], np.ndarray]  # some images -> the rows that they have in the inputs
Batches = Callable[[np.ndarray, np.ndarray], Iterable[Tensor]]  # (inputs of all images, some rows) -> their batches


class ClosedForm:
    """Where statistics add up, a part's are those of all images less those of the few that it leaves out."""

    def __init__(self, n_images: int, places: Places, batches: Batches) -> None:
        self.everything, self.places, self.batches = np.arange(n_images), places, batches
        self._inputs: np.ndarray | None = None
        self._of_all: Statistics = ()
        self._descriptors = torch.empty(0)

    def fit(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> None:
        """On some images, by their numbers; `inputs` are those of all."""
        rest = np.setdiff1d(self.everything, images)
        if model.is_additive and len(rest) < len(images):
            self._look_at_all(model, inputs)
            with _one_thread():
                model.learn(added([self._of_all, *self._less(model, inputs, rest)]), self._descriptors_of(images))
        else:
            model.fit(self._batches(inputs, images))

    def _look_at_all(self, model: Reconstructor, inputs: np.ndarray) -> None:
        if self._inputs is inputs:  # a fold whose preprocessing learnt something else has its own
            return
        self._of_all, self._descriptors = summed(model, self._batches(inputs, self.everything))
        self._inputs = inputs

    def _less(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> Iterable[Statistics]:
        found = map(model.statistics, self._batches(inputs, images))
        return (tuple(-tensor for tensor in statistics) for statistics in found)

    def _descriptors_of(self, images: np.ndarray) -> Tensor:
        """Those of all were taken in the order of their places."""
        order = self.places(self.everything)
        found = np.argsort(order)[np.searchsorted(np.sort(order), self.places(images))]
        return self._descriptors[torch.from_numpy(found).to(self._descriptors.device)]

    def _batches(self, inputs: np.ndarray, images: np.ndarray) -> Iterable[Tensor]:
        return self.batches(inputs, self.places(images))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices are small here: beside other work, threads were seen to wait for each other a hundred times as long."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)

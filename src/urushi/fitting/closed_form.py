"""Fits of methods in closed form on many parts of the same images, as folds are. Imported only when fitting."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from urushi.models.base import Reconstructor, Statistics, added, summed

Places = Callable[[np.ndarray], np.ndarray]  # some images -> the rows that they have in the inputs
Batches = Callable[[np.ndarray, np.ndarray], Iterable[Tensor]]  # (inputs of all images, some rows) -> their batches


class Sums(NamedTuple):
    """What an additive method learns from some inputs."""

    statistics: Statistics  # of all together
    descriptors: Tensor  # of each, (n, J)


class ClosedForm:
    """Where statistics add up, a part's are those of all images less those of the few that it leaves out."""

    def __init__(self, n_images: int, places: Places, batches: Batches) -> None:
        self.everything, self.places, self.batches = np.arange(n_images), places, batches
        self._inputs: np.ndarray | None = None
        self._of_all = Sums((), torch.empty(0))

    def fit(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> Sums | None:
        """On some images, by their numbers; `inputs` are those of all. Gives what it learnt from, if that adds up."""
        if not model.is_additive:
            model.fit(self._batches(inputs, images))
            return None
        found = self._sums(model, inputs, images)
        with one_thread():
            model.learn(*found)
        return found

    def _sums(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> Sums:
        rest = np.setdiff1d(self.everything, images)
        if len(rest) >= len(images):
            return Sums(*summed(model, self._batches(inputs, images)))
        if self._inputs is not inputs:  # a fold whose preprocessing learnt something else has its own
            self._of_all, self._inputs = Sums(*summed(model, self._batches(inputs, self.everything))), inputs
        statistics = added([self._of_all.statistics, *self._less(model, inputs, rest)])
        return Sums(statistics, self._descriptors_of(images))

    def _less(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> Iterable[Statistics]:
        found = map(model.statistics, self._batches(inputs, images))
        return (tuple(-tensor for tensor in statistics) for statistics in found)

    def _descriptors_of(self, images: np.ndarray) -> Tensor:
        """Those of all were taken in the order of their places."""
        order = self.places(self.everything)
        found = np.argsort(order)[np.searchsorted(np.sort(order), self.places(images))]
        descriptors = self._of_all.descriptors
        return descriptors[torch.from_numpy(found).to(descriptors.device)]

    def _batches(self, inputs: np.ndarray, images: np.ndarray) -> Iterable[Tensor]:
        return self.batches(inputs, self.places(images))


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices are small here: beside other work, threads were seen to wait for each other a hundred times as long."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)

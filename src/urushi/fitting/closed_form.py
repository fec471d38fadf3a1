"""Fits of methods in closed form on many parts of the same images, as folds are. Imported only when fitting."""

from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor

from urushi.models.base import Reconstructor, Statistics, added

Batches = Callable[[np.ndarray, np.ndarray], Iterable[Tensor]]  # (inputs of all images, some images) -> their batches


class ClosedForm:
    """Where statistics add up, a part's are those of all images less those of the few that it leaves out."""

    def __init__(self, n_images: int, batches: Batches) -> None:
        self.everything, self.batches = np.arange(n_images), batches
        self._inputs: np.ndarray | None = None
        self._of_all: Statistics = ()

    def fit(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> None:
        """On some images, by their places; `inputs` are those of all."""
        rest = np.setdiff1d(self.everything, images)
        if model.is_additive and len(rest) < len(images):
            model.learn(added([self._all(model, inputs), *self._less(model, inputs, rest)]))
        else:
            model.fit(self.batches(inputs, images))

    def _all(self, model: Reconstructor, inputs: np.ndarray) -> Statistics:
        if self._inputs is not inputs:  # a fold whose preprocessing learnt something else has its own
            self._inputs, self._of_all = inputs, added(map(model.statistics, self.batches(inputs, self.everything)))
        return self._of_all

    def _less(self, model: Reconstructor, inputs: np.ndarray, images: np.ndarray) -> Iterable[Statistics]:
        found = map(model.statistics, self.batches(inputs, images))
        return (tuple(-tensor for tensor in statistics) for statistics in found)

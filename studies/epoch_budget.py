"""How many epochs of a method that is trained fit into a budget of time, told from short fits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from urushi.detector import Detector
from urushi.recipe import Recipe

_FEW, _MORE = 1, 4  # epochs of the two fits
_N_INSPECTED = 2
_SHARE = 0.75  # of the budget that is planned with: other categories and other moments are slower


@dataclass(frozen=True)
class Cost:
    """Seconds, with so many good images; all but the start of a process grows with their number."""

    n_images: int
    beside_epochs: float
    epoch: float
    inspection: float  # of one image

    def epochs(self, recipe: Recipe, budget_seconds: float, n_good: int, n_test: int) -> int:
        """At most those of the recipe, and at least one."""
        share = n_good / self.n_images
        left = _SHARE * budget_seconds - self.beside_epochs * max(1.0, share) - self.inspection * n_test
        return int(max(1, min(recipe.training.max_epochs, left / (self.epoch * share))))


def cost(recipe: Recipe, good: Sequence[Path], test: Sequence[Path]) -> Cost:
    """Of a recipe, from a fit of one epoch and one of four, after one that only loads what is needed."""
    seconds = []
    for n in (_FEW, _FEW, _MORE):
        start = time.monotonic()
        detector = Detector.fit(good, recipe.with_settings({"training.max_epochs": n, "training.max_steps": 0}))
        seconds.append(time.monotonic() - start)
    _, few, more = seconds
    epoch = max((more - few) / (_MORE - _FEW), 1e-3)
    start = time.monotonic()
    for path in test[:_N_INSPECTED]:
        detector.inspect(path)
    inspection = (time.monotonic() - start) / _N_INSPECTED
    return Cost(len(good), max(seconds[0] - _FEW * epoch, 0.0), epoch, inspection)

"""One split: some images are learnt from, the others are held out for the threshold."""

from dataclasses import replace

import numpy as np

from urushi.calibration import HeldOut
from urushi.data.splits import folds, split
from urushi.fitting._held_out import held_out, scored
from urushi.fitting._yardstick import beside_pixel_pca
from urushi.fitting.learning import Learner, Learnt
from urushi.recipe import Recipe


def fitted_on_a_split(learner: Learner) -> tuple[Learnt, list[HeldOut]]:
    """A fit, and the scores of the calibration part, which touches neither the preprocessing nor the model."""
    parts = _parts(learner.recipe, len(learner.images.sources), learner.run.seed)
    learnt = learner.final(parts["training"])
    facts = learnt.facts | {"held_out": learner.images.given(parts["calibration"])}
    by_score = scored(learner, learnt, parts["calibration"])
    facts |= beside_pixel_pca(learner, learnt, parts["calibration"], by_score[0])
    return replace(learnt, facts=facts), [held_out([rows], "split") for rows in by_score]


def n_held_out(recipe: Recipe, n: int, seed: int) -> int:
    """How many of n images will be scored by a fit that has not seen them; raises DatasetError if n is too small."""
    n_folds = recipe.split.n_folds
    return sum(map(len, divided(n, n_folds, seed))) if n_folds else len(_parts(recipe, n, seed)["calibration"])


def divided(n: int, n_folds: int, seed: int) -> list[np.ndarray]:
    """As many folds of n images as asked for, or one of each image where there are fewer."""
    return folds(n, max(2, min(n, n_folds)), seed=seed)


def _parts(recipe: Recipe, n: int, seed: int) -> dict[str, np.ndarray]:
    fraction = recipe.split.calibration_fraction
    return split(n, {"training": 1 - fraction, "calibration": fraction}, seed=seed)

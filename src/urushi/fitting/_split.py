"""One split: some images are learnt from, the others are held out for the threshold."""

from collections.abc import Sequence
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
    parts = _parts(learner.recipe, len(learner.images.sources), learner.run.seed, learner.images.groups)
    learnt = learner.final(parts["training"])
    facts = learnt.facts | {"held_out": learner.images.given(parts["calibration"])}
    by_score = scored(learner, learnt, parts["calibration"])
    facts |= beside_pixel_pca(learner, learnt, parts["calibration"], by_score[0])
    return replace(learnt, facts=facts), [held_out([rows], "split") for rows in by_score]


def n_held_out(recipe: Recipe, n: int, seed: int, groups: Sequence[str] = ()) -> int:
    """How many of n images, or of their products, will be scored by a fit that has not seen them.

    Raises DatasetError if there are too few.
    """
    if recipe.split.n_folds:
        chosen = np.concatenate(divided(n, recipe.split.n_folds, seed, groups))
    else:
        chosen = _parts(recipe, n, seed, groups)["calibration"]
    return len({groups[image] for image in chosen}) if groups else len(chosen)


def divided(n: int, n_folds: int, seed: int, groups: Sequence[str] = ()) -> list[np.ndarray]:
    """As many folds of n images as asked for, or one of each image, or product, where there are fewer."""
    most = len(set(groups)) if groups else n
    return folds(n, max(2, min(most, n_folds)), seed=seed, groups=groups)


def _parts(recipe: Recipe, n: int, seed: int, groups: Sequence[str]) -> dict[str, np.ndarray]:
    fraction = recipe.split.calibration_fraction
    return split(n, {"training": 1 - fraction, "calibration": fraction}, seed=seed, groups=groups)

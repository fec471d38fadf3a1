"""What is trained by gradient steps, beside a pixel PCA that takes a second: it ought to rebuild good images better."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from urushi.data.loader import Rows
from urushi.fitting._held_out import Scored
from urushi.fitting.learning import Learner, Learnt
from urushi.models.pixel_pca import MOST_VALUES, PixelPca

_N_COMPONENTS = 32
_MOST_IMAGES = 512  # that the PCA is fitted on
_MUCH = 1.1  # times its error: less is chance


def beside_pixel_pca(learner: Learner, learnt: Learnt, images: np.ndarray, rows: Sequence[Scored]) -> dict[str, Any]:
    """Mean squared errors of some held-out images: of a trained network, and of a PCA fitted on what it has seen.

    `rows` are what the network gave. Nothing where it rebuilds no pixels, or tiles, or images are larger than
    a PCA takes.
    """
    errors = [row.error for row in rows if row.error is not None]
    if learner.prototype.is_closed_form or not errors or math.prod(learner.images.shape) > MOST_VALUES:
        return {}
    seen, batch_size = learner.divided(learnt.images)[0], learner.recipe.training.batch_size
    model = PixelPca(learner.images.shape, n_components=_N_COMPONENTS)
    model.fit(Rows(learnt.inputs, learner.images.spread(seen, _MOST_IMAGES)).batches(batch_size))
    found = torch.cat([model.errors(batch) for batch in Rows(learnt.inputs, images).batches(batch_size)])
    mse, of_pca = float(np.mean(errors)), float(found.mean())
    return {"pixel_pca": {"n_components": _N_COMPONENTS, "mse": mse, "mse_of_pixel_pca": of_pca}}


def worse_than_pixel_pca(facts: Mapping[str, Any]) -> Iterator[str]:
    """A concern, where a network does clearly worse than the PCA."""
    found = facts.get("pixel_pca")
    if found and found["mse"] > _MUCH * found["mse_of_pixel_pca"]:
        yield (
            f"held-out good images are rebuilt with a mean squared error of {found['mse']:.3g}, and by a PCA of pixels "
            f"with {found['n_components']} components with {found['mse_of_pixel_pca']:.3g}: the network has not learnt "
            "what normal looks like. Train it longer or on more images, or take the recipe pixel-pca or default"
        )

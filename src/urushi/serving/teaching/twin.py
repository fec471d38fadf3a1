"""A detector that has not seen some of the good images: what it says of these is what it would say of new ones.

Where every image was learnt, and its held-out score came from a fit without it, such a detector has to be fitted first:
on learnt images a planted defect stands out far less.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from urushi.detector import Detector
from urushi.errors import InputError
from urushi.recipe import Trial

_MOST, _SHARE = 32, 4  # left out by chance: so many, or a quarter
FEWEST = 8
_SEED = 0


class Twin(NamedTuple):
    """With the threshold and the scale of colours of the detector that it stands for."""

    detector: Detector
    unseen: list[Path]  # drawn by chance
    n_learnt: int


def twin_of(detector: Detector, sources: Sequence[Path], odd: Sequence[Path]) -> Twin:
    """The detector itself where it has held out images, else one that learns all but some and the `odd` ones.

    Raises InputError for too few images, or a method that takes long to learn.
    """
    fit = detector.card["fit"]
    if detector.held_out.method == "split":
        return Twin(detector, _drawn([sources[place] for place in fit["held_out"]], _MOST), fit["n_training"])
    if len(sources) < FEWEST:
        raise InputError(f"of {len(sources)} good images none can be left out for a first look; it takes {FEWEST}")
    if "training" in fit:
        raise InputError("this method takes long to learn, and has learnt all images: none is left for a first look")
    unseen = _drawn(sources, min(_MOST, len(sources) // _SHARE))
    learnt = [source for source in sources if source not in {*unseen, *odd}]
    recipe = detector.recipe.model_copy(update={"trial": Trial()}).with_settings({"split.n_folds": 2})
    fitted = Detector.fit(learnt, recipe, progress="bar")
    own = detector.ways.calibration(detector.backend)
    return Twin(replace(fitted, ways=fitted.ways.calibrated(own)), unseen, len(learnt))


def _drawn(sources: Sequence[Path], n: int) -> list[Path]:
    order = np.random.default_rng(_SEED).permutation(len(sources))
    return [sources[place] for place in order[:n]]

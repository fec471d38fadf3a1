"""What a fitted detector has learnt, which learning goes on from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from urushi.calibration import HeldOut
from urushi.data.familiar import Familiar
from urushi.data.groups import digest_of
from urushi.data.images import ImageSource
from urushi.data.learnt_images import LearntImages
from urushi.errors import DatasetError
from urushi.fitting._kept_pictures import Pictures
from urushi.fitting._split import divided
from urushi.fitting.closed_form import one_thread
from urushi.fitting.incremental import sums
from urushi.fitting.incremental.obstacle import obstacle
from urushi.fitting.learning import Learner, Learnt
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline, Prepared
from urushi.printable import counted
from urushi.recipe import Recipe
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph

Prepare = Callable[[ImageSource], Prepared | Unreadable]
_N_FOLDS = 50  # where the recipe has none


@dataclass(frozen=True)
class Present:
    """What a fitted detector has learnt; `backend` is its own, for it learns on in place."""

    recipe: Recipe
    pipeline: Pipeline  # stays as it was first fitted
    bits: int | None  # a channel, of images that do not say so themselves
    backend: TorchBackend
    images: LearntImages
    held_out: HeldOut
    seed: int  # of folds

    @property
    def known(self) -> frozenset[str]:
        """By their pixels, the images that were learnt from or held out."""
        return frozenset((*self.images.contents, *self.held_out.contents))

    @cached_property
    def familiar(self) -> Familiar:
        """What the images that were learnt look like."""
        return Familiar.of(self.images.appearances)

    @property
    def pictures(self) -> Pictures:
        """Those that the method shows."""
        names = self.images.pictures
        pixels = self.backend.graph.model.kept[: len(names)] if names else ()
        return Pictures.of(list(zip(names, pixels, strict=True)), len(self.images.contents))

    def learnt(self, images: LearntImages, held_out: HeldOut, pictures: Pictures) -> "Present":
        """The same, having learnt from these; raises DatasetError if they are too few, DetectorFileError."""
        if len(images.contents) < 2:
            raise DatasetError(
                f"{counted(len(images.contents), 'image')} would be left to learn from; at least 2 that differ "
                "are needed"
            )
        sums.none_like(self.backend).require_alike(images)
        held_out = held_out.with_summands(self.summands(images))
        sums.learn(self.backend, images)
        names = pictures.keep(self.backend)
        return replace(self, images=replace(images, pictures=names), held_out=held_out)

    def summands(self, images: LearntImages) -> dict[str, float]:
        """By descriptors alone, which are kept, images are scored anew: each by those of the others, fold by fold."""
        graph, found = self.backend.graph, dict[str, float]()
        if not images.descriptors.shape[1]:
            return found
        descriptors = torch.from_numpy(images.descriptors).to(self.backend.device)
        how = (self.recipe.split.n_folds or _N_FOLDS, self.seed, images.groups)
        for part in divided(len(images.contents), *how):
            others = np.setdiff1d(np.arange(len(descriptors)), part)
            with one_thread(), torch.no_grad():
                graph.model.learn_descriptors(descriptors[others])
                values = graph.summand(descriptors[part]).double().tolist()
            found |= dict(zip((images.contents[image] for image in part), values, strict=True))
        return found


def learnt_images(learner: Learner, learnt: Learnt, graph: ScoringGraph) -> LearntImages | None:
    """What a fit leaves for learning to go on from; None where it cannot."""
    if learnt.sums is None or obstacle(learner.recipe, graph):
        return None
    appearances = learner.images.gathered.appearances
    contents, pictured = (
        tuple(appearances[image].content for image in images) for images in (learnt.images, learner.pictured(learnt))
    )
    groups = tuple(map(digest_of, learner.images.groups_of(learnt.images)))
    found = sums.as_learnt(appearances, contents, learnt.sums.statistics, learnt.sums.descriptors, groups)
    return replace(found, pictures=pictured)

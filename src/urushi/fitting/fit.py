"""The way of a fit: prepare → check → learn → score what was held out → hand over. Imported only when fitting."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from urushi.calibration import HeldOut
from urushi.data.familiar import Familiar
from urushi.data.groups import sizes
from urushi.data.images import ImageSource
from urushi.data.learnt_images import LearntImages
from urushi.data.stream import Decoded
from urushi.fitting._checks import concerns, counting_once, require_enough, require_possible
from urushi.fitting._cross import fitted_crosswise
from urushi.fitting._split import fitted_on_a_split, n_held_out
from urushi.fitting._yardstick import worse_than_pixel_pca
from urushi.fitting.incremental.present import learnt_images
from urushi.fitting.learning import Learner, Run, run_folder
from urushi.fitting.training_images import TrainingImages
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.recipe import Part, Recipe
from urushi.runtime.torch_backend import TorchBackend
from urushi.runtime.ways import Ways

_PACKAGES = ("torch", "lightning", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Fitted:
    """What fitting gives for one score; the threshold is chosen from `held_out` afterwards."""

    pipeline: Pipeline
    backend: TorchBackend
    held_out: HeldOut
    pattern: np.ndarray | None  # of tiles; None where images are inspected whole
    recipe: Recipe  # with this score and nothing left open
    card: dict[str, Any]  # what the card says of the fit
    unreadable: tuple[Unreadable, ...]
    familiar: Familiar
    learnt: LearntImages | None  # what learning can go on from

    def fields(self, origin: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a detector; `origin` is what its card says beside the fit."""
        return {
            "recipe": self.recipe,
            "pipeline": self.pipeline,
            "backend": self.backend,
            "ways": Ways.of_fit(self.backend.weights(), self.held_out),
            "origin": {**origin, **self.card},
            "unreadable": self.unreadable,
            "pattern": self.pattern,
            "familiar": self.familiar,
            "learnt": self.learnt,
        }


def fit(
    sources: Sequence[ImageSource],
    recipe: Recipe,
    run: Run,
    check: Callable[[int], None],
    *,
    scores: Sequence[Part] = (),
    defects: Sequence[ImageSource] = (),
) -> tuple[Fitted, ...]:
    """Fits preprocessing and model on normal images once, and scores those it held out by each of `scores`.

    Without `scores`, by that of the recipe. `defects` are for scores that learn from them. `check` is called with the
    number of held-out images before any training, and may refuse it. Raises DatasetError if there are too few images,
    RecipeError, TrainingError.
    """
    start = time.monotonic()
    scores = tuple(scores) or (recipe.score,)

    # 1. Prepare: each image is decoded and brought into the form that the method takes, once.
    images = TrainingImages.of(sources, recipe, run.seed, run.track)

    # 2. Check: what cannot work is refused here, before anything that takes long.
    require_enough(images.gathered)
    familiar = Familiar.of(images.gathered.appearances)
    with counting_once(images.gathered, images.groups):
        check(n_held_out(recipe, len(images.sources), run.seed, images.groups))
    learner = Learner(images, run, scores, defects)
    require_possible(learner)
    familiar.require_apart(defects)

    # 3. Learn, and 4. score what was held out: by one fit that has not seen it, or by a fit for each fold.
    with run_folder(learner), counting_once(images.gathered, images.groups):
        learnt, held_out = fitted_crosswise(learner) if recipe.split.n_folds else fitted_on_a_split(learner)

    # 5. Hand over: for each score a graph, the scores of held-out normals, and what the card says of it all.
    facts = learnt.facts | {"image_shape": list(images.shape), "n_images": len(images.sources)}
    facts |= {"copies": [{"image": copy, "of": first} for copy, first in images.gathered.copies.items()]}
    facts |= {"groups": sizes(images.groups)} if images.groups else {}
    worries = [*concerns(images.gathered, sources, images.groups), *worse_than_pixel_pca(facts)]
    facts |= {"concerns": worries, **learnt.pipeline.facts(Decoded(images.sources))}
    facts |= {"seconds": round(time.monotonic() - start, 1), "versions": dict(_versions())}
    unreadable = tuple(images.gathered.unreadable.values())
    card = {"fit": facts} | _about_region(learnt.pipeline)
    recipes = (recipe.model_copy(update={"score": score, "model": learnt.model}) for score in scores)
    return tuple(
        Fitted(
            pipeline=learnt.pipeline,
            backend=backend,
            held_out=held,
            pattern=pattern,
            recipe=own,
            card=card,
            unreadable=unreadable,
            familiar=familiar,
            learnt=learnt_images(learner, learnt, backend.graph),
        )
        for backend, held, pattern, own in zip(learnt.backends, held_out, learnt.patterns, recipes, strict=True)
    )


@cache  # to find them, the folder of all packages is searched
def _versions() -> Mapping[str, str]:
    return {package: version(package) for package in _PACKAGES}


def _about_region(pipeline: Pipeline) -> dict[str, Any]:
    """What the card says of an ignored area."""
    region, area = pipeline.region, pipeline.ignored
    if region is None or area is None:
        return {}
    by = "polygons" if region.mask is None else f"the mask {region.mask}"
    return {"region": {"ignored_share": round(area.share, 4), "by": by}}

"""Training images: decoded, prepared, varied and embedded once, or anew where part of them teaches something else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from urushi.augmentation import Augmentation, augment_batch
from urushi.data.cache import cache
from urushi.data.groups import groups_of
from urushi.data.images import ImageSource
from urushi.data.progress import Track, untracked
from urushi.data.stream import Decoded, batches, stream
from urushi.errors import DatasetError
from urushi.fitting._gathering import Gathered, lesson
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe

Embed = Callable[[np.ndarray], np.ndarray]  # (B, C, H, W) float32 -> (B, …): the frozen front of a method


@dataclass
class TrainingImages:
    """The distinct readable ones among the images of a fit, as a recipe prepares them; with tiling, tiles of each."""

    sources: tuple[ImageSource, ...]
    gathered: Gathered
    recipe: Recipe
    seed: int
    pipeline: Pipeline  # fitted on all of them
    groups: tuple[str, ...] = ()  # of each image, its product; none where each is of its own
    track: Track = untracked
    _inputs_of_all: np.ndarray | None = field(default=None, init=False)

    @classmethod
    def of(
        cls, sources: Sequence[ImageSource], recipe: Recipe, seed: int, track: Track = untracked
    ) -> "TrainingImages":
        """Decodes and prepares every image; raises RecipeError if they come out in several shapes.

        Raises DatasetError if the product of some is known and that of others is not.
        """
        groups = groups_of(sources, recipe.groups)
        pipeline = Pipeline.of(recipe).fit(Decoded(sources))
        found = Gathered.of(sources, pipeline, recipe, seed, track)
        kept = tuple(sources[place] for place in found.places)
        own = tuple(groups[place] for place in found.places) if groups else ()
        return cls(kept, found, recipe, seed, pipeline, own, track)

    @property
    def prepared(self) -> np.ndarray:
        """(n rows, C, H, W) float32 in [0, 1]."""
        return self.gathered.rows

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width after preprocessing."""
        channels, height, width = self.prepared.shape[1:]
        return channels, height, width

    def given(self, images: np.ndarray) -> list[int]:
        """The places of some images among those that were given, unreadable ones and copies counted."""
        return sorted(self.gathered.places[image] for image in images)

    def groups_of(self, images: np.ndarray) -> tuple[str, ...]:
        """The products of some images, in their order; none where each is of its own."""
        return tuple(self.groups[image] for image in images) if self.groups else ()

    def rows_of(self, images: np.ndarray) -> np.ndarray:
        """The rows of some images, in their order; those of one image stand together."""
        ends = (np.searchsorted(self.gathered.owners, images, side) for side in ("left", "right"))
        return np.concatenate([np.arange(0), *(np.arange(first, last) for first, last in zip(*ends, strict=True))])

    def inputs_for(self, images: np.ndarray, embed: Embed | None) -> tuple[Pipeline, np.ndarray]:
        """Preprocessing fitted on some images only, and what a method then gets of all rows, variants behind them.

        Where these images teach the preprocessing what all of them do, nothing is computed twice.
        """
        pipeline = Pipeline.of(self.recipe, self.pipeline.ignored).fit(
            Decoded([self.sources[image] for image in images])
        )
        if _is_same(pipeline.state(), self.pipeline.state()):
            if self._inputs_of_all is None:  # the frozen front of a method is the same for every part
                self._inputs_of_all = self._inputs(self.prepared, embed)
            return self.pipeline, self._inputs_of_all
        anew = Gathered.of(self.sources, pipeline, self.recipe, self.seed, self.track)
        for found in anew.unreadable.values():
            raise DatasetError(f"{found.source}: {found.reason}, where part of the images teaches the preprocessing")
        return pipeline, self._inputs(anew.rows, embed)

    def with_copies(self, rows: np.ndarray) -> np.ndarray:
        """Rows, and those of their variants behind them."""
        k = self.recipe.augmentation.n_copies
        copies = len(self.prepared) + k * rows[:, None] + np.arange(k)
        return np.concatenate([rows, copies.ravel()])

    def examples(self, pipeline: Pipeline, images: np.ndarray, n: int) -> np.ndarray:
        """At most n rows of some of the images, evenly spread, as a pipeline prepares them; of tiled ones, tiles."""
        numbered = [(int(image), self.sources[image]) for image in self.spread(images, n)]
        found = stream(partial(lesson, pipeline, self.recipe.tiling, self.seed), numbered)
        return np.concatenate([one.rows for one in found if not isinstance(one, Unreadable)])[:n]

    @staticmethod
    def spread(images: np.ndarray, n: int) -> np.ndarray:
        """At most n of them, evenly spread."""
        chosen: np.ndarray = images[np.unique(np.linspace(0, len(images) - 1, min(n, len(images))).round().astype(int))]
        return chosen

    def _inputs(self, prepared: np.ndarray, embed: Embed | None) -> np.ndarray:
        n_copies = self.recipe.augmentation.n_copies
        if embed is None and not n_copies:
            return prepared
        images = batches(self._with_variants(prepared), self.recipe.training.batch_size)
        rows = (row for batch in images for row in (embed(np.stack(batch)) if embed else batch))
        n_rows = len(prepared) * (1 + n_copies)
        return cache(self.track(rows, "computing features" if embed else "varying images", n_rows), n_rows)

    def _with_variants(self, prepared: np.ndarray) -> Iterator[np.ndarray]:
        yield from prepared
        if n_copies := self.recipe.augmentation.n_copies:
            augmentation = Augmentation.of(self.recipe.augmentation)
            for row, image in enumerate(prepared):
                for copy in range(n_copies):
                    yield from augment_batch(image[None], augmentation, seed=self.seed, epoch=copy, indices=[row])


class Vary:
    """Draws a variant of each image in each epoch, from (seed, epoch, row) alone."""

    def __init__(self, augmentation: Augmentation, seed: int) -> None:
        self.augmentation, self.seed = augmentation, seed

    @classmethod
    def of(cls, recipe: Recipe, seed: int) -> "Vary | None":
        """What the recipe asks for; None if nothing, or copies that are made beforehand."""
        section = recipe.augmentation
        return cls(Augmentation.of(section), seed) if section.transforms and not section.n_copies else None

    def __call__(self, images: np.ndarray, rows: np.ndarray, epoch: int) -> np.ndarray:
        """(B, C, H, W) float32 in [0, 1] and the rows they come from -> as many variants."""
        return augment_batch(images, self.augmentation, seed=self.seed, epoch=epoch, indices=rows)


def _is_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)

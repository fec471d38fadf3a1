"""Every distinct readable image of a fit, decoded and prepared in a few threads, and what there is to say of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from urushi.data.appearance import Appearance
from urushi.data.cache import cache
from urushi.data.images import ImageSource
from urushi.data.progress import Track
from urushi.data.stream import stream
from urushi.errors import RecipeError
from urushi.fitting._variation import Variation, thinned
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe, Tiling
from urushi.runtime.tiling import TileGrid


class Lesson(NamedTuple):
    """What there is to learn from one image: itself, or some of its tiles."""

    rows: np.ndarray  # (n, C, H, W) float32 in [0, 1]
    appearance: Appearance
    sample: np.ndarray  # of the prepared pixels: large images as a whole would fill the memory


@dataclass
class Gathered:
    """The images that were taken, in their order; places count all that were given."""

    rows: np.ndarray = field(init=False)  # (n rows, C, H, W) float32 in [0, 1]
    owners: list[int] = field(default_factory=list)  # of each row: the image that it is, or is a tile of
    places: list[int] = field(default_factory=list)  # of each image
    appearances: list[Appearance] = field(default_factory=list)
    unreadable: dict[int, Unreadable] = field(default_factory=dict)  # by their places
    copies: dict[int, int] = field(default_factory=dict)  # place -> that of the first image with the same pixels
    variation: Variation = field(default_factory=Variation)

    @classmethod
    def of(
        cls, sources: Sequence[ImageSource], pipeline: Pipeline, recipe: Recipe, seed: int, track: Track
    ) -> "Gathered":
        """Prepares every image; raises RecipeError if they come out in several shapes."""
        found = cls()
        lessons = stream(partial(lesson, pipeline, recipe.tiling, seed), enumerate(sources))
        n_rows = len(sources) * (recipe.tiling.n_training_tiles if recipe.tiling.tile_px else 1)
        shown = track(lessons, "preparing images", len(sources))
        found.rows = cache(found._taken(shown), n_rows)
        return found

    def _taken(self, lessons: Iterator[Lesson | Unreadable]) -> Iterator[np.ndarray]:
        """The rows of those that can be read and are no copies, taking note of all."""
        first: dict[str, int] = {}
        shape: tuple[int, ...] | None = None
        for place, found in enumerate(lessons):
            if isinstance(found, Unreadable):
                self.unreadable[place] = found
                continue
            content = found.appearance.content
            if first.setdefault(content, place) != place:
                self.copies[place] = first[content]
                continue
            shape = shape or found.rows.shape[1:]
            _require_same_shape(found.rows.shape[1:], shape)
            self._note(place, found)
            yield from found.rows

    def _note(self, place: int, found: Lesson) -> None:
        self.owners += [len(self.places)] * len(found.rows)
        self.places.append(place)
        self.appearances.append(found.appearance)
        self.variation.add(found.sample)


def lesson(pipeline: Pipeline, tiling: Tiling, seed: int, numbered: tuple[int, ImageSource]) -> Lesson | Unreadable:
    """What there is to learn from one image; its tiles depend on seed and place alone."""
    place, source = numbered
    found, grid = pipeline.read(source), TileGrid.of(tiling)
    if isinstance(found, Unreadable):
        return found
    if grid and (problem := grid.problem(found.pixels.shape)):
        return Unreadable(found.source, problem)
    rng = np.random.default_rng((seed, place))
    rows = grid.drawn(found.pixels, tiling.n_training_tiles, rng) if grid else found.pixels[None]
    return Lesson(rows, found.appearance, thinned(found.pixels))


def _require_same_shape(found: tuple[int, ...], first: tuple[int, ...]) -> None:
    if found != first:
        raise RecipeError(
            f"after preprocessing, images (C, H, W) of {found} and of {first} come together; give the recipe the step "
            "`resize`, and `grey` or `rgb` before it"
        )

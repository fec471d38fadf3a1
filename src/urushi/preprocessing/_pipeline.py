"""The steps of a recipe in order: from a decoded image to what a model sees."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from urushi import catalogue, options
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing.base import Image, Step
from urushi.recipe import Part, Recipe

ROOM = "urushi.preprocessing"


class Prepared(NamedTuple):
    """An image as the model sees it, and the way back."""

    pixels: np.ndarray  # (C, H, W) float32 in [0, 1]
    to_original: np.ndarray  # 3×3, pixel corners (x, y, 1) of `pixels` -> those of the decoded image


@dataclass(frozen=True)
class Pipeline:
    """Preprocessing steps in the order in which they are applied; `fit` returns a new, fitted pipeline."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> "Pipeline":
        """Built from a recipe's `[[preprocessing]]` tables; raises RecipeError for unknown steps or options."""
        return cls(tuple(_step(part) for part in recipe.preprocessing))

    def prepare(self, image: Image) -> Prepared:
        """(H, W[, 3]) of any depth -> pixels (C, H, W) float32 in [0, 1]; raises UnreadableImageError."""
        matrix = np.eye(3)
        for step in self.steps:
            matrix = matrix @ step.to_original(image)
            image = step.apply(image)
        return Prepared(_as_model_input(image), matrix)

    def fit(self, images: Iterable[Image]) -> "Pipeline":
        """Each step fitted in turn on `images` (re-iterable) as the steps before it leave them."""
        fitted: tuple[Step, ...] = ()
        for step in self.steps:
            fitted = (*fitted, step.fit(_Through(fitted, images)))
        return Pipeline(fitted)

    def state(self) -> dict[str, np.ndarray]:
        """What the steps have learnt, keyed "position/name"."""
        return {f"{i}/{name}": array for i, step in enumerate(self.steps) for name, array in step.state().items()}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Pipeline":
        """This pipeline with a saved state; the inverse of `state`."""
        return Pipeline(tuple(step.with_state(_part(state, i)) for i, step in enumerate(self.steps)))


@dataclass(frozen=True)
class _Through:
    """Images as the first steps leave them; can be iterated as often as a step's `fit` likes."""

    steps: tuple[Step, ...]
    images: Iterable[Image]

    def __iter__(self) -> Iterator[Image]:
        for image in self.images:
            for step in self.steps:
                image = step.apply(image)
            yield image


def _step(part: Part) -> Step:
    step = catalogue.load(ROOM, part.name, Step)
    return options.build(step, part.options, f"preprocessing.{part.name}")


def _part(state: Mapping[str, np.ndarray], position: int) -> dict[str, np.ndarray]:
    prefix = f"{position}/"
    return {key.removeprefix(prefix): array for key, array in state.items() if key.startswith(prefix)}


def _as_model_input(image: Image) -> np.ndarray:
    if image.dtype != np.float32:
        raise RecipeError(f"preprocessing ends with {image.dtype} pixels; end it with `scale` or `min_max`")
    low, high = image.min(), image.max()  # NaN if any pixel is
    if not (low >= 0 and high <= 1):
        problem = f"pixels range over {low:g}…{high:g} after preprocessing, not 0…1; end it with `scale` or `min_max`"
        raise UnreadableImageError("image", problem)
    return np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1))

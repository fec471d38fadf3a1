"""The steps of a recipe in order: from a decoded image to what a model sees."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from urushi import catalogue
from urushi.catalogue import options
from urushi.data.appearance import Appearance
from urushi.data.images import ImageSource, name_of, read_image
from urushi.errors import RecipeError, UnreadableImageError
from urushi.inspection import Unreadable
from urushi.preprocessing.base import Image, Step
from urushi.recipe import Part, Recipe

ROOM = "urushi.preprocessing"


class Prepared(NamedTuple):
    """An image as the model sees it, and the way back."""

    pixels: np.ndarray  # (C, H, W) float32 in [0, 1]
    to_original: np.ndarray  # 3×3, pixel corners (x, y, 1) of `pixels` -> those of the decoded image
    original_size: tuple[int, int]  # height, width of the decoded image in px
    appearance: Appearance  # of the decoded image
    source: str = "image"  # path or name
    doubts: tuple[str, ...] = ()  # of the steps: why a decision may not hold


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
        _require_finite(image)
        original_size, to_original = image.shape[:2], np.eye(3)
        appearance, doubts = Appearance.of(image), []
        for step in self.steps:
            image, back = step.place(image)
            to_original = to_original @ back
            doubts.append(step.doubt(image))
        found = Prepared(_as_model_input(image), to_original, original_size, appearance)
        return found._replace(doubts=tuple(filter(None, doubts)))

    def read(self, source: ImageSource) -> Prepared | Unreadable:
        """A path, array, Pillow image or tensor, decoded and prepared, or why that can't be done."""
        name = name_of(source)
        try:
            return self.prepare(read_image(source))._replace(source=name)
        except UnreadableImageError as error:
            return Unreadable(name, error.reason)

    def fit(self, images: Iterable[Image]) -> "Pipeline":
        """Each step fitted in turn on `images` (re-iterable) as the steps before it leave them."""
        fitted: tuple[Step, ...] = ()
        for step in self.steps:
            fitted = (*fitted, step.fit(_Through(fitted, images)))
        return Pipeline(fitted)

    def facts(self, images: Iterable[Image]) -> dict[str, Any]:
        """What the card says of the fitted steps on good images (re-iterable), by their names."""
        found: dict[str, Any] = {}
        for i, step in enumerate(self.steps):
            found |= step.facts(_Through(self.steps[:i], images))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """What the steps have learnt, keyed "position/name"."""
        return {f"{i}/{name}": array for i, step in enumerate(self.steps) for name, array in step.state().items()}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Pipeline":
        """This pipeline with a saved state; the inverse of `state`."""
        return Pipeline(tuple(step.with_state(_part(state, i)) for i, step in enumerate(self.steps)))


@dataclass(frozen=True)
class _Through:
    """Images as the first steps leave them, but for those that can't be prepared; re-iterable."""

    steps: tuple[Step, ...]
    images: Iterable[Image]

    def __iter__(self) -> Iterator[Image]:
        for image in self.images:
            with suppress(UnreadableImageError):  # it is listed with its reason when the images are prepared
                yield self._applied(image)

    def _applied(self, image: Image) -> Image:
        _require_finite(image)
        for step in self.steps:
            image = step.apply(image)
        return image


def _step(part: Part) -> Step:
    step = catalogue.load(ROOM, part.name, Step)
    return options.build(step, part.options, f"preprocessing.{part.name}")


def _part(state: Mapping[str, np.ndarray], position: int) -> dict[str, np.ndarray]:
    prefix = f"{position}/"
    return {key.removeprefix(prefix): array for key, array in state.items() if key.startswith(prefix)}


def _require_finite(image: Image) -> None:
    """Steps may then rely on it: a median or a look-up table would hide a NaN."""
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise UnreadableImageError("image", "some pixels are no finite number (NaN or infinite)")


def _as_model_input(image: Image) -> np.ndarray:
    if image.dtype != np.float32:
        raise RecipeError(f"preprocessing ends with {image.dtype} pixels; end it with `scale` or `min_max`")
    low, high = image.min(), image.max()  # NaN if any pixel is
    if not (low >= 0 and high <= 1):
        problem = f"pixels range over {low:g}…{high:g} after preprocessing, not 0…1; end it with `scale` or `min_max`"
        raise UnreadableImageError("image", problem)
    return np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1))

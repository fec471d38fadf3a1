"""The steps of a recipe in order: from a decoded image to what a model sees."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from urushi import catalogue
from urushi.catalogue import options
from urushi.data.appearance import Appearance, content_of
from urushi.data.images import ImageSource, name_of, read_image
from urushi.data.mask_on_map import fit_mask
from urushi.errors import RecipeError, UnreadableImageError
from urushi.inspection import Unreadable
from urushi.preprocessing._ignored_area import IgnoredArea
from urushi.preprocessing.base import Image, Step
from urushi.recipe import Part, Recipe, Region

ROOM = "urushi.preprocessing"
_REGION = "region"  # stands for a position in the state


class Prepared(NamedTuple):
    """An image as the model sees it, and the way back."""

    pixels: np.ndarray  # (C, H, W) float32 in [0, 1]
    to_original: np.ndarray  # 3×3, pixel corners (x, y, 1) of `pixels` -> those of the decoded image
    original_size: tuple[int, int]  # height, width of the decoded image in px
    appearance: Appearance  # of the decoded image
    source: str = "image"  # path or name
    doubts: tuple[str, ...] = ()  # of the steps: why a decision may not hold
    light_factor: float = 1.0  # by which the steps have multiplied the levels


@dataclass(frozen=True)
class Pipeline:
    """Preprocessing steps in the order in which they are applied; `fit` returns a new, fitted pipeline.

    Where the recipe has a region, what is ignored is painted over before the first step.
    """

    steps: tuple[Step, ...]
    region: Region | None = None
    ignored: IgnoredArea | None = None  # by the region, once the pipeline is fitted

    @classmethod
    def of(cls, recipe: Recipe, ignored: IgnoredArea | None = None) -> "Pipeline":
        """Built from a recipe's `[[preprocessing]]` and `[region]`; `ignored` is the area where that is known already.

        Raises RecipeError for unknown steps or options, and for a region where a step moves what an image shows.
        """
        steps = tuple(_step(part) for part in recipe.preprocessing)
        if recipe.region is not None:
            _require_fixed_places(recipe.preprocessing, steps)
        return cls(steps, recipe.region, ignored)

    def prepare(self, image: Image) -> Prepared:
        """(H, W[, 3]) of any depth -> pixels (C, H, W) float32 in [0, 1]; raises UnreadableImageError."""
        seen = self.painted(image)
        _require_finite(seen)
        original_size, to_original = image.shape[:2], np.eye(3)
        appearance, doubts, light_factor = Appearance.of(seen), list[str | None](), 1.0
        if seen is not image:  # an image is known again by all of its pixels
            appearance = replace(appearance, content=content_of(image))
        for step in self.steps:
            light_factor *= step.light_factor(seen)
            seen, back = step.place(seen)
            to_original = to_original @ back
            doubts.append(step.doubt(seen))
        found = Prepared(_as_model_input(seen), to_original, original_size, appearance)
        return found._replace(doubts=tuple(filter(None, doubts)), light_factor=light_factor)

    def painted(self, image: Image) -> Image:
        """What the steps see of an image; raises UnreadableImageError where the region is for another shape."""
        if self.region is None:
            return image
        if self.ignored is None:
            raise RecipeError("the region is laid on images while the pipeline is fitted; fit the pipeline first")
        return self.ignored.painted(image)

    @property
    def ignored_places(self) -> np.ndarray | None:
        """What is ignored of a prepared image, (H, W) bool; None where nothing is."""
        return None if self.ignored is None else self.ignored.prepared

    def read(self, source: ImageSource) -> Prepared | Unreadable:
        """A path, array, Pillow image or tensor, decoded and prepared, or why that can't be done."""
        name = name_of(source)
        try:
            return self.prepare(read_image(source))._replace(source=name)
        except UnreadableImageError as error:
            return Unreadable(name, error.reason)

    def fit(self, images: Iterable[Image]) -> "Pipeline":
        """Each step fitted in turn on `images` (re-iterable) as the steps before it leave them."""
        fitted = replace(self, steps=(), ignored=self.ignored or self._area_on(images))
        for step in self.steps:
            fitted = replace(fitted, steps=(*fitted.steps, step.fit(_Through(fitted, images))))
        return fitted._with_places(images)

    def facts(self, images: Iterable[Image]) -> dict[str, Any]:
        """What the card says of the fitted steps on good images (re-iterable), by their names."""
        found: dict[str, Any] = {}
        for i, step in enumerate(self.steps):
            found |= step.facts(_Through(replace(self, steps=self.steps[:i]), images))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """What the steps have learnt, keyed "position/name", and the ignored area, keyed "region/name"."""
        found = {f"{i}/{name}": array for i, step in enumerate(self.steps) for name, array in step.state().items()}
        area = {} if self.ignored is None else self.ignored.state()
        return found | {f"{_REGION}/{name}": array for name, array in area.items()}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Pipeline":
        """This pipeline with a saved state; the inverse of `state`. Raises ValueError if that lacks the region."""
        steps = tuple(step.with_state(_part(state, i)) for i, step in enumerate(self.steps))
        area = _part(state, _REGION)
        if bool(area) != (self.region is not None):
            raise ValueError("its recipe and its preprocessing do not agree on whether there is a region")
        return replace(self, steps=steps, ignored=IgnoredArea.from_state(area) if area else None)

    def _area_on(self, images: Iterable[Image]) -> IgnoredArea | None:
        """The region on images of the size of the first one."""
        first = None if self.region is None else next(iter(images), None)
        return None if self.region is None or first is None else IgnoredArea.of(self.region, first.shape[:2])

    def _with_places(self, images: Iterable[Image]) -> "Pipeline":
        """Knowing where in prepared images the ignored area lies, from the first that can be prepared."""
        if self.ignored is None or self.ignored.prepared is not None:
            return self
        for image in images:
            with suppress(UnreadableImageError):  # it is listed with its reason when the images are prepared
                found = self.prepare(image)
                size = (found.pixels.shape[1], found.pixels.shape[2])
                places = fit_mask(self.ignored.marked, size, found.to_original, found.original_size)
                whole = np.diag([found.original_size[1] / size[1], found.original_size[0] / size[0], 1])
                is_whole = np.allclose(found.to_original, whole)
                return replace(self, ignored=self.ignored.on(places, is_whole=is_whole))
        return self


@dataclass(frozen=True)
class _Through:
    """Images as the first steps leave them, but for those that can't be prepared; re-iterable."""

    pipeline: Pipeline  # of the first steps
    images: Iterable[Image]

    def __iter__(self) -> Iterator[Image]:
        for image in self.images:
            with suppress(UnreadableImageError):  # it is listed with its reason when the images are prepared
                yield self._applied(image)

    def _applied(self, image: Image) -> Image:
        image = self.pipeline.painted(image)
        _require_finite(image)
        for step in self.pipeline.steps:
            image = step.apply(image)
        return image


def _step(part: Part) -> Step:
    step = catalogue.load(ROOM, part.name, Step)
    return options.build(step, part.options, f"preprocessing.{part.name}")


def _require_fixed_places(parts: Sequence[Part], steps: Sequence[Step]) -> None:
    for part, step in zip(parts, steps, strict=True):
        if step.follows_content:
            raise RecipeError(
                f"preprocessing.{part.name} moves each image by what it shows, so that a region would lie somewhere "
                "else on each; take either out of the recipe"
            )


def _part(state: Mapping[str, np.ndarray], position: int | str) -> dict[str, np.ndarray]:
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

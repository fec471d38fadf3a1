"""The part of every image that nobody may look at: it is painted over before anything else sees the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from urushi.data.masks import is_like, misfit, read_mask
from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.preprocessing.base import Image
from urushi.recipe import Polygon, Region

_LEAST_INSPECTED = 0.01  # of an image; a detector that sees less has nothing to learn from
_FINE_PX = 4096  # polygons are drawn finer than the image and averaged down, as far as that stays affordable


@dataclass(frozen=True, eq=False)
class IgnoredArea:
    """Which pixels are ignored, on the images as they come and on the prepared ones.

    What is painted over them is the mean of the inspected pixels of the same image: nothing that lies in the area can
    then change anything, whatever the steps and the method do with the image.
    """

    marked: np.ndarray  # (h, w) bool, on images of this size, or larger or smaller ones of the same shape
    prepared: np.ndarray | None = None  # (H, W) bool: the same on prepared images; None until that is known

    @classmethod
    def of(cls, region: Region, size: tuple[int, int]) -> "IgnoredArea":
        """As a recipe describes it for images of a size (height, width).

        Raises UnreadableImageError for a mask that can't be read or is ambiguous, InputError for one of another shape,
        and RecipeError if nothing or nearly everything would be ignored.
        """
        if region.mask is None:
            return cls(_require_sensible(_by_polygons(region, size)))
        found = read_mask(region.mask)
        if not is_like(found, size):
            raise InputError(f"{region.mask}: {misfit(found, size)}; draw it on one of the images")
        return cls(_require_sensible(found if region.marks == "ignored" else ~found))

    @property
    def share(self) -> float:
        """Of the image."""
        return float(self.marked.mean())

    def painted(self, image: Image) -> Image:
        """The image (H, W[, 3]) with its ignored pixels painted over; raises UnreadableImageError for another shape."""
        marked = self.on_image((image.shape[0], image.shape[1]))
        level = np.array(cv2.mean(image, (~marked).view(np.uint8)))[: image.shape[2] if image.ndim == 3 else 1]
        level = np.rint(level) if image.dtype.kind == "u" else level
        where = marked if image.ndim == 2 else marked[..., None]
        return np.where(where, level.astype(image.dtype), image)

    def on_image(self, size: tuple[int, int]) -> np.ndarray:
        """What is ignored of an image of this (height, width), bool; raises UnreadableImageError for another shape."""
        if not is_like(self.marked, size):
            raise UnreadableImageError("image", f"the ignored area is for another shape: {misfit(self.marked, size)}")
        if self.marked.shape == size:
            return self.marked
        found = cv2.resize(self.marked.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
        return np.asarray(found).view(bool)

    def on(self, prepared: np.ndarray) -> "IgnoredArea":
        """The same with what is ignored of prepared images, (H, W) bool; raises RecipeError if nothing is left."""
        if prepared.all():
            raise RecipeError("after preprocessing nothing is left of what the region inspects; make it larger")
        return replace(self, prepared=prepared)

    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept in a detector file: a bit for each pixel."""
        width = np.array([self.marked.shape[1]])
        found = {"marked": np.packbits(self.marked, axis=1), "width": width}
        return found if self.prepared is None else found | {"prepared": self.prepared}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> "IgnoredArea":
        """The inverse of `state`; raises ValueError for what is none."""
        packed, width, prepared = state["marked"], int(state["width"][0]), state.get("prepared")
        is_packed = packed.ndim == 2 and packed.dtype == np.uint8 and packed.shape[1] == -(-width // 8)
        if not (is_packed and len(packed) and (prepared is None or (prepared.ndim == 2 and prepared.dtype == bool))):
            raise ValueError("its region is damaged")
        marked = np.unpackbits(packed, axis=1, count=width).view(bool)
        return cls(_require_sensible(marked), prepared)


def _require_sensible(marked: np.ndarray) -> np.ndarray:
    inspected = 1 - float(marked.mean())
    if inspected < _LEAST_INSPECTED:
        raise RecipeError(
            f"the region leaves {inspected:.1%} of the image to inspect, at least {_LEAST_INSPECTED:.0%} are needed; "
            "if the mask marks what shall be inspected, set region.marks = 'inspected'"
        )
    if not marked.any():
        raise RecipeError("the region ignores nothing; take it out of the recipe, or mark what shall be ignored")
    return np.ascontiguousarray(marked)


def _by_polygons(region: Region, size: tuple[int, int]) -> np.ndarray:
    ignored = _drawn(region.ignore, size)
    return ignored | ~_drawn(region.inspect, size) if region.inspect else ignored


def _drawn(polygons: Sequence[Polygon], size: tuple[int, int]) -> np.ndarray:
    """(height, width) bool: the pixels that lie in polygons by more than half."""
    height, width = size
    fine = max(1, min(4, _FINE_PX // max(size)))
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for polygon in polygons:
        points = (np.array(polygon) * (width * fine, height * fine) - 0.5) * 256
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 255, shift=8)
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) > 128)

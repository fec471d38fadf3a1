"""One image on its way through the preprocessing: a picture, a histogram and a tone curve after each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from urushi.inspection.turning import is_turned
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Image, Step
from urushi.recipe import Part
from urushi.reporting.grey_levels import Histogram, Levels, ToneCurve, axis_levels, level_range
from urushi.reporting.page import folder_and_name, text
from urushi.reporting.pictures import data_uri, display_size, resize_image, rgb_bytes

LONG_SIDE_PX = 176
_MOST_BYTES = 9_000
_RED = (226, 58, 40)


@dataclass(frozen=True, eq=False)
class Stage:
    """An image after one step, or before the first."""

    name: str
    options: str
    picture: str  # data URI
    picture_size: tuple[int, int]  # height, width in px as shown
    levels: Levels
    note: str  # what the picture shows besides the image, or that it is not shown as it is

    @property
    def histogram(self) -> Histogram:
        """Of its grey levels."""
        return Histogram(self.levels.counts)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.levels.shape[0], self.levels.shape[1]


@dataclass(frozen=True, eq=False)
class Trace:
    """All stages of one image, and the tone curve of each step that keeps pixels in their place."""

    source: str
    stages: tuple[Stage, ...]
    curves: tuple[ToneCurve | None, ...]


@dataclass(frozen=True, eq=False)
class Mark:
    """Pixels of an image to be coloured, and what that says."""

    note: str
    pixels: np.ndarray  # (H, W) bool
    is_outline: bool = False  # only where they meet the others

    def where(self, size: tuple[int, int]) -> np.ndarray:
        """The pixels of a picture of another size, (height, width), to be coloured."""
        share = cv2.resize(self.pixels.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        if not self.is_outline:
            return np.asarray(share > 0)
        inside = (share < 0.5).astype(np.uint8)
        eroded = cv2.erode(inside, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(inside > eroded)


def trace(pipeline: Pipeline, parts: Sequence[Part], image: Image, source: str) -> Trace:
    """The way of an image through a fitted pipeline, whose steps were built from `parts`."""
    stages, curves, image = [], [], pipeline.painted(image)
    name, options, note = "original", "", ""
    for part, step in zip(parts, pipeline.steps, strict=True):
        after, back = step.place(image)
        stages.append(_stage(name, options, image, note, _mark(step, image, after, back)))
        curves.append(_curve(image, after, back))
        name, options, note = part.name, _options(part), _unchanged(image, after)
        image = after
    stages.append(_stage(name, options, image, note))
    return Trace(source, tuple(stages), tuple(curves))


def _stage(name: str, options: str, image: Image, note: str, mark: Mark | None = None) -> Stage:
    size = display_size(image.shape[:2], LONG_SIDE_PX)
    picture = resize_image(_rgb(image), size)
    if mark:
        picture[mark.where(size)] = _RED
    notes = ", ".join(filter(None, (note, _shown_range(image), mark.note if mark else "")))
    return Stage(name, options, data_uri(picture, _MOST_BYTES), size, Levels.of(image), notes)


def _options(part: Part) -> str:
    """Without the folders of paths, which the list of steps shows."""
    return ", ".join(f"{name} {folder_and_name(text(value))[1]}" for name, value in part.options.items())


def _rgb(image: Image) -> np.ndarray:
    low, high = level_range(image)
    levels = (image.astype(np.float32) - low) / ((high - low) or 1)
    return rgb_bytes(levels if levels.ndim == 3 else levels[..., None])


def _shown_range(image: Image) -> str:
    low, high = level_range(image)
    is_plain = image.dtype.kind == "u" or (low, high) == (0.0, 1.0)
    return "" if is_plain else f"shown with {low:.4g} as black and {high:.4g} as white"


def _unchanged(before: Image, after: Image) -> str:
    """Scaling to another type is no change of grey levels."""
    is_same = before.shape == after.shape and bool(np.abs(axis_levels(before) - axis_levels(after)).max() < 0.5)
    return "unchanged" if is_same else ""


def _mark(step: Step, before: Image, after: Image, back: np.ndarray) -> Mark | None:
    """What a step is going to keep, or to repair, of the image before it; None where that is nothing special."""
    dead = step.state().get("dead")
    if dead is not None:
        return Mark("red: dead pixels", np.broadcast_to(dead, before.shape[:2]))
    if is_turned(back):
        return None
    height, width = after.shape[:2]
    (left, right), (top, bottom), _ = np.rint(back @ np.array([[0, width], [0, height], [1, 1]])).astype(int)
    if min(left, top) < 0 or right > before.shape[1] or bottom > before.shape[0]:
        return None
    outside = np.ones(before.shape[:2], bool)
    outside[top:bottom, left:right] = False
    return Mark("red: cut off beyond this line", outside, is_outline=True) if outside.any() else None


def _curve(before: Image, after: Image, back: np.ndarray) -> ToneCurve | None:
    """None where pixels move, as then no level before belongs to one after."""
    is_in_place = before.shape[:2] == after.shape[:2] and np.allclose(back, np.eye(3))
    return ToneCurve.measured(before, after) if is_in_place else None

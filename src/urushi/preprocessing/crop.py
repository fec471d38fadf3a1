"""The background around an object cut off."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from urushi.errors import UnreadableImageError
from urushi.preprocessing._histograms import otsu
from urushi.preprocessing._levels import full_scale, require_levels
from urushi.preprocessing.base import Image, Step
from urushi.preprocessing.grey import grey

Tone = Literal["darker", "brighter"]


def object_mask(image: Image, threshold: float | None, tone: Tone, smoothing_px: float, min_contrast: float) -> Image:
    """(H, W) bool, true where the smoothed image is darker (brighter) than a level 0…255, Otsu's if there is none.

    Raises UnreadableImageError if one of the two sides is empty, or their mean levels differ by less than
    `min_contrast`: then no object stands out. So does a float image that leaves [0, 1].
    """
    require_levels(image)
    sharp = grey(image)
    if sharp.dtype.kind == "f":
        sharp = np.rint(sharp * np.float32(65535)).astype(np.uint16)
    levels = np.asarray(cv2.GaussianBlur(sharp, (0, 0), smoothing_px)) if smoothing_px else sharp
    steps = full_scale(levels.dtype) / 255  # of its depth per level 0…255
    is_dark = levels <= int(steps * (otsu(levels) if threshold is None else threshold))
    dark, bright = (mean / steps for mean in _means(levels, is_dark))
    if np.isnan(dark + bright):
        low, high = levels.min() / steps, levels.max() / steps
        raise _no_object(f"all levels lie on one side of the threshold, in {low:.4g}…{high:.4g}")
    if bright - dark < min_contrast:
        raise _no_object(f"dark and bright parts have mean levels of {dark:.4g} and {bright:.4g} of 255")
    return is_dark if tone == "darker" else ~is_dark


def _means(levels: np.ndarray, is_dark: np.ndarray) -> tuple[float, float]:
    """Of the dark and of the bright part; NaN where there is none. OpenCV is quicker than an index by a mask."""
    n_dark, total = int(np.count_nonzero(is_dark)), cv2.sumElems(levels)[0]
    if n_dark in (0, levels.size):
        return np.nan, np.nan
    dark = cv2.mean(levels, is_dark.view(np.uint8))[0]
    return dark, (total - n_dark * dark) / (levels.size - n_dark)


def bounding_box(mask: np.ndarray, min_area_px: int | None) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (exclusive) of the largest connected part, or of all of at least `min_area_px`.

    Raises UnreadableImageError if no part is large enough.
    """
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    parts = parts[1:]  # the first is the background
    area = parts[:, cv2.CC_STAT_AREA]
    parts = parts[[area.argmax()]] if min_area_px is None else parts[area >= min_area_px]
    if not len(parts):
        raise _no_object(f"its largest part has {area.max()} px, less than min_area_px = {min_area_px}")
    left, top, width, height = parts[:, :4].T
    return int(top.min()), int(left.min()), int((top + height).max()), int((left + width).max())


@dataclass(frozen=True, kw_only=True)
class Crop(Step):
    """The image cut down to its object, so that the object fills it whatever its place and size."""

    follows_content: ClassVar[bool] = True

    threshold: Annotated[
        float | None, Field(ge=0, le=255, description="level 0…255 between object and background; none: Otsu's")
    ] = None
    object_is: Annotated[Tone, Field(description="the object is darker, or brighter, than the background")] = "darker"
    margin_px: Annotated[int, Field(ge=0, description="background kept around the object")] = 0
    min_area_px: Annotated[
        int | None, Field(ge=1, description="keep all parts of at least this area; none: the largest part only")
    ] = None
    smoothing_px: Annotated[
        float, Field(ge=0, le=100, description="σ of the Gaussian blur before the threshold, against noise; 0: none")
    ] = 2
    min_contrast: Annotated[
        float, Field(ge=0, le=255, description="levels (of 255) between object and background, else there is none")
    ] = 10

    def apply(self, image: Image) -> Image:
        return self.place(image)[0]

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        mask = object_mask(image, self.threshold, self.object_is, self.smoothing_px, self.min_contrast)
        top, left, bottom, right = bounding_box(mask, self.min_area_px)
        top, left = max(top - self.margin_px, 0), max(left - self.margin_px, 0)
        cropped = image[top : bottom + self.margin_px, left : right + self.margin_px]
        return cropped, np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], float)


def _no_object(reason: str) -> UnreadableImageError:
    return UnreadableImageError("image", f"no object to crop to: {reason}")

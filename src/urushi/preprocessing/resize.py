"""Every image to one size."""

from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from urushi.preprocessing.base import Image, Step

Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]

_FLAGS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def resize(image: Image, height: int, width: int, interpolation: Interpolation = "area") -> Image:
    """(H, W[, 3]) -> (height, width[, 3]), dtype kept; `area` enlarges bilinearly, as averaging cannot (METHODS §1).

    Floats stay within the range of the image: bicubic and lanczos overshoot at edges, and sums of weights are not
    exactly one, so that [0, 1] would not stay [0, 1]. Integers saturate at the range of their type.
    """
    if image.shape[:2] == (height, width):
        return image
    enlarges = height > image.shape[0] or width > image.shape[1]
    flag = cv2.INTER_LINEAR if interpolation == "area" and enlarges else _FLAGS[interpolation]
    resized = np.asarray(cv2.resize(image, (width, height), interpolation=flag))
    return np.clip(resized, image.min(), image.max()) if image.dtype.kind == "f" else resized


@dataclass(frozen=True, kw_only=True)
class Resize(Step):
    """One size for all images; the aspect ratio is not kept."""

    height: Annotated[int, Field(ge=1, le=16384, description="height after resizing, in px")]
    width: Annotated[int, Field(ge=1, le=16384, description="width after resizing, in px")]
    interpolation: Annotated[Interpolation, Field(description="area averages when reducing")] = "area"

    def apply(self, image: Image) -> Image:
        return resize(image, self.height, self.width, self.interpolation)

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        back = np.diag([image.shape[1] / self.width, image.shape[0] / self.height, 1.0])
        return self.apply(image), back

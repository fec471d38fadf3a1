"""Looks at the image from another point, and zooms in so far that nothing beyond its edge is seen."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size

_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])  # from top left, clockwise


@dataclass(frozen=True, kw_only=True)
class Perspective(Projective):
    """Each corner of the new image shows a place further inside, drawn evenly from a corner of the old one."""

    share: Annotated[float, Field(ge=0, le=0.4, description="how far inside at most, as share of the sides")] = 0.1

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        return {f"{axis}{i}_share": float(rng.uniform(0, self.share)) for i in range(4) for axis in "xy"}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        sides = np.array([size[1], size[0]])
        corners = (1 - _INWARD) / 2 * sides - 0.5
        shares = np.array([[parameters[f"x{i}_share"], parameters[f"y{i}_share"]] for i in range(4)])
        inner = corners + _INWARD * shares * sides
        return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), inner.astype(np.float32)))

"""Shears the image: what was upright leans, as if the part went by the camera at an angle."""

from dataclasses import dataclass
from math import radians, tan
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size, about_centre


@dataclass(frozen=True, kw_only=True)
class Shear(Projective):
    """By angles drawn evenly, to either side, about the centre."""

    horizontal_degrees: Annotated[float, Field(ge=0, le=40, description="by how much upright lines lean at most")] = 5.0
    vertical_degrees: Annotated[float, Field(ge=0, le=40, description="by how much level lines lean at most")] = 0.0

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        x, y = rng.uniform(-1, 1, 2) * (self.horizontal_degrees, self.vertical_degrees)
        return {"horizontal_degrees": float(x), "vertical_degrees": float(y)}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        x, y = tan(radians(parameters["horizontal_degrees"])), tan(radians(parameters["vertical_degrees"]))
        return about_centre(np.linalg.inv([[1, x], [y, 1]]), size)

"""Turns the image in its plane about its centre (S2 §5.2.4: 0…360°)."""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size, about_centre, require_order


@dataclass(frozen=True, kw_only=True)
class Rotation(Projective):
    """By an angle drawn evenly from a range; counter-clockwise as one sees it."""

    low_degrees: Annotated[float, Field(ge=-360, le=360, description="smallest angle")] = 0.0
    high_degrees: Annotated[float, Field(ge=-360, le=360, description="largest angle")] = 360.0

    def __post_init__(self) -> None:
        require_order("rotation", ("low_degrees", self.low_degrees), ("high_degrees", self.high_degrees))

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        return {"degrees": float(rng.uniform(self.low_degrees, self.high_degrees))}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        angle = radians(parameters["degrees"])
        c, s = round(cos(angle), 15), round(sin(angle), 15)  # a quarter turn is exact: cos(90°) is 6e-17 in floats
        return about_centre(np.array([[c, -s], [s, c]]), size)

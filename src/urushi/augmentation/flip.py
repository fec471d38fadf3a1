"""Mirrors the image, left to right and upside down (S2 §5.2.4)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size, about_centre


@dataclass(frozen=True, kw_only=True)
class Flip(Projective):
    """Each direction by chance and on its own; exact, as no pixel is interpolated."""

    horizontal: Annotated[float, Field(ge=0, le=1, description="probability of exchanging left and right")] = 0.5
    vertical: Annotated[float, Field(ge=0, le=1, description="probability of exchanging top and bottom")] = 0.5

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        chance = rng.random(2)
        return {"horizontal": int(chance[0] < self.horizontal), "vertical": int(chance[1] < self.vertical)}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        signs = 1.0 - 2.0 * np.array([parameters["horizontal"], parameters["vertical"]])
        return about_centre(np.diag(signs), size)

"""Shifts the image by whole and broken pixels (S2 §5.2.4: slightly, in both directions)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size


@dataclass(frozen=True, kw_only=True)
class Translation(Projective):
    """By shares of width and height that are drawn evenly, to either side."""

    horizontal_share: Annotated[float, Field(ge=0, le=1, description="largest shift, as share of the width")] = 0.05
    vertical_share: Annotated[float, Field(ge=0, le=1, description="largest shift, as share of the height")] = 0.05

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        x, y = rng.uniform(-1, 1, 2) * (self.horizontal_share, self.vertical_share)
        return {"x_share": float(x), "y_share": float(y)}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        matrix = np.eye(3)
        matrix[:2, 2] = -parameters["x_share"] * size[1], -parameters["y_share"] * size[0]
        return matrix

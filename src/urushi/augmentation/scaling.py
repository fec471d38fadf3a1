"""Enlarges or reduces what the image shows; its size in pixels stays (S2 §5.2.4: slightly)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size, about_centre, require_order


@dataclass(frozen=True, kw_only=True)
class Scaling(Projective):
    """By a factor drawn evenly from a range, about the centre; the aspect ratio is kept."""

    low_factor: Annotated[float, Field(ge=0.05, le=20, description="smallest factor; below 1 reduces")] = 0.9
    high_factor: Annotated[float, Field(ge=0.05, le=20, description="largest factor; above 1 enlarges")] = 1.1

    def __post_init__(self) -> None:
        require_order("scaling", ("low_factor", self.low_factor), ("high_factor", self.high_factor))

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        return {"factor": float(rng.uniform(self.low_factor, self.high_factor))}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        return about_centre(np.eye(2) / parameters["factor"], size)

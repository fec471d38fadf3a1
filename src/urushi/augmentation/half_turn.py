"""Turns the image by 180°, for parts that may lie either way round (S2 §5.2.4)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.augmentation.base import Parameters, Projective, Size, about_centre


@dataclass(frozen=True, kw_only=True)
class HalfTurn(Projective):
    """Exact, as no pixel is interpolated; images need not be square."""

    probability: Annotated[float, Field(ge=0, le=1, description="share of images that it is done to")] = 0.5

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        return {}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:  # noqa: ARG004
        return about_centre(-np.eye(2), size)

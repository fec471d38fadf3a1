"""Turns the image by 0, 90, 180 or 270°, for parts and textures without a preferred direction."""

from dataclasses import dataclass

import numpy as np

from urushi.augmentation.base import Parameters, Projective, Size, about_centre

_LINEAR = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}  # cosine and sine


@dataclass(frozen=True, kw_only=True)
class QuarterTurns(Projective):
    """Each with the same chance; exact, as no pixel is interpolated. Images that aren't square get 0 or 180° only."""

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:
        is_square = size[0] == size[1]
        return {"n_turns": int(rng.integers(4)) if is_square else 2 * int(rng.integers(2))}

    @staticmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        c, s = _LINEAR[int(parameters["n_turns"]) % 4]
        return about_centre(np.array([[c, -s], [s, c]], float), size)

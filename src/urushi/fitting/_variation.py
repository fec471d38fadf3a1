"""How much the good images of a fit differ from each other: without any difference there is nothing to learn."""

from dataclasses import dataclass

import numpy as np

_MOST_A_SIDE = 32  # pixels that are compared


def thinned(image: np.ndarray) -> np.ndarray:
    """About 32 × 32 pixels of a prepared image (C, H, W), evenly spread."""
    steps = (max(1, side // _MOST_A_SIDE) for side in image.shape[1:])
    return image[:, :: next(steps), :: next(steps)].astype(np.float64)


@dataclass
class Variation:
    """The spread of single pixels over images, gathered one by one; pixels are not averaged, so that noise counts."""

    n: int = 0
    has_one_shape: bool = True
    _first: np.ndarray | None = None
    _sum: np.ndarray | float = 0.0
    _squares: np.ndarray | float = 0.0

    def add(self, pixels: np.ndarray) -> None:
        """One image, prepared and `thinned`."""
        self._first = pixels if self._first is None else self._first
        self.n += 1
        self.has_one_shape = self.has_one_shape and pixels.shape == self._first.shape
        if self.has_one_shape:
            difference = pixels - self._first  # exactly 0 of equal images
            self._sum, self._squares = self._sum + difference, self._squares + difference**2

    @property
    def rms(self) -> float | None:
        """Root of the mean variance of a pixel, in shares of full scale; None of images of several sizes."""
        if not self.has_one_shape or not self.n:
            return None
        variance = self._squares / self.n - np.square(self._sum / self.n)
        return float(np.sqrt(np.maximum(variance, 0).mean()))

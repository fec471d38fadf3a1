"""A graph run on prepared images: on each as a whole, or tile by tile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from urushi.runtime.backend import Backend, Output
from urushi.runtime.tiling import TileGrid


@dataclass(frozen=True, eq=False)
class Network:
    """A backend, and how images come to it."""

    backend: Backend
    grid: TileGrid | None  # None: images are inspected whole
    pattern: np.ndarray | None  # (tile, tile): what a place within a tile adds to the map by being there
    image_shape: tuple[int, ...]  # (C, H, W) that the graph takes; of a tile, where there is a grid

    @property
    def batch_size(self) -> int:
        """How many images are best inspected at once; large ones that are tiled come one by one."""
        return 1 if self.grid else self.backend.batch_size

    @property
    def n_parallel(self) -> int:
        """How many batches are best inspected side by side; the tiles of an image are already."""
        return 1 if self.grid else self.backend.n_parallel

    def outputs(self, images: Sequence[np.ndarray], *, is_alone: bool = False) -> Iterator[Output]:
        """What it says of prepared images (C, H, W), in order: in one batch, or in one each if tiled.

        `is_alone` where no others are looked at meanwhile.
        """
        if self.grid:
            yield from (self.grid.run(self.backend, image, self.pattern) for image in images)
        elif images:
            run = self.backend.run if is_alone else self.backend.run_beside
            yield run(np.stack(images))

    def problem(self, shape: tuple[int, ...]) -> str | None:
        """Why it cannot take a prepared image (C, H, W), or None."""
        if self.grid and shape[0] == self.image_shape[0]:
            return self.grid.problem(shape)
        if shape == self.image_shape:
            return None
        return f"after preprocessing it is (C, H, W) = {shape}, but the detector takes {self.image_shape}"

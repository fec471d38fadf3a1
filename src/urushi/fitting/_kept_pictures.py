"""Which pictures a detector shows when learning goes on: those it has and new ones, each by their share of images."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from urushi.errors import DatasetError
from urushi.runtime.torch_backend import TorchBackend


@dataclass(frozen=True)
class Pictures:
    """Pictures (C, H, W) in [0, 1] that stand for good images, called by these images' pixels."""

    names: tuple[str, ...]
    pixels: tuple[Tensor, ...]
    weights: tuple[float, ...]  # how many images each stands for

    @classmethod
    def of(cls, named: Sequence[tuple[str, Tensor]], n_images: int) -> "Pictures":
        """Some of so many images."""
        each = n_images / max(1, len(named))
        return cls(tuple(name for name, _ in named), tuple(pixels for _, pixels in named), (each,) * len(named))

    def plus(self, other: "Pictures") -> "Pictures":
        """Those of both, each once."""
        new = other.without(self.names)
        return Pictures((*self.names, *new.names), (*self.pixels, *new.pixels), (*self.weights, *new.weights))

    def without(self, names: Collection[str]) -> "Pictures":
        """Without those of some images."""
        kept = [name not in names for name in self.names]
        columns = (tuple(compress(column, kept)) for column in (self.names, self.pixels, self.weights))
        return Pictures(*columns)  # type: ignore[arg-type]

    def keep(self, backend: TorchBackend) -> tuple[str, ...]:
        """Gives a model as many as it has room for, and their names; raises DatasetError if there is none left."""
        n = backend.graph.model.n_pictures
        if not n:
            return ()
        if not self.names:
            raise DatasetError("none of the pictures that it shows would be left; fit it anew without these images")
        chosen = self._spread(n)
        pixels = torch.stack([self.pixels[place].cpu() for place in chosen])
        backend.graph.model.keep(pixels.to(backend.device))
        return tuple(self.names[place] for place in chosen)

    def _spread(self, n: int) -> list[int]:
        """At most n of them, evenly over the images that they stand for."""
        if len(self.names) <= n:
            return list(range(len(self.names)))
        ends = np.cumsum(self.weights)
        wanted = (np.arange(n) + 0.5) * ends[-1] / n
        found: list[int] = np.unique(np.searchsorted(ends, wanted)).tolist()
        return found

"""The contract of every product: how its phantoms are drawn, and what fills the beam where one lies."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from urushi.xray.phantoms.grid import Box, Grid
from urushi.xray.phantoms.scanner import Scanner
from urushi.xray.phantoms.scene import Defect, Layer


@dataclass(frozen=True)
class Product(ABC):
    """One phantom: a frozen dataclass of plain numbers, drawn once, from which everything can be computed again."""

    scanner: ClassVar[Scanner]
    max_angle_degrees: ClassVar[float]  # by which products lie turned unless asked otherwise
    defects: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A phantom, as it lies before it is `laid`."""

    @abstractmethod
    def laid(self, rng: np.random.Generator, max_angle_degrees: float) -> Self:
        """The same one, laid down anew: elsewhere, and turned in its plane by up to an angle to either side."""

    @abstractmethod
    def grid(self) -> Grid:
        """The pixels of its image."""

    @abstractmethod
    def box_mm(self) -> Box:
        """What lies outside is air only."""

    @abstractmethod
    def layers(self, grid: Grid) -> list[Layer]:
        """What fills the beam at the samples of a grid; the same wherever and however finely it is sampled."""

    @abstractmethod
    def draw_defect(self, kind: str, rng: np.random.Generator) -> Defect:
        """A defect, one of `defects`, in or on this phantom; from the same numbers always at the same place of it."""

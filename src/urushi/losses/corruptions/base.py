"""What a corruption is: an image with some of it spoilt, and where."""

from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import Field
from torch import Tensor

CorruptedWeight = Annotated[float, Field(ge=0, description="how much corrupted places count beside untouched ones")]


class Corruption(ABC):
    """A corruption whose options are the keyword-only arguments of its `__init__`."""

    def __init__(self, corrupted_weight: float) -> None:
        self.corrupted_weight = corrupted_weight

    @abstractmethod
    def corrupt(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) in [0, 1] -> spoilt ones, and where they are, (B, 1, H, W) bool."""

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Spoilt images, and how much each place counts in the loss, (B, 1, H, W)."""
        corrupted, where = self.corrupt(images)
        return corrupted, images.new_ones(where.shape).masked_fill(where, self.corrupted_weight)

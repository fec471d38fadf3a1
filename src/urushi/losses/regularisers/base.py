"""What a regulariser is: a penalty on the latent code."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import Tensor

Encoder = Callable[[Tensor], Tensor]
Weight = Annotated[float, Field(ge=0, description="of this penalty beside the reconstruction loss")]


class Regulariser(ABC):
    """A penalty whose options are the keyword-only arguments of its `__init__`."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    @abstractmethod
    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:
        """A scalar from the codes (B, J) of a batch, the images (B, C, H, W) and the encoder between them."""

    def __call__(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:
        """The weighted penalty."""
        return self.weight * self.penalty(z, inputs, encoder)

"""What a discriminator of restored windows is."""

from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

DiscriminatorRate = Annotated[float, Field(gt=0, lt=1, description="learning rate of its Adam")]


class Discriminator(nn.Module, ABC):
    """Judges windows (n, C, w, w). It gets their shape (C, w, w) and, keyword-only, its options."""

    learning_rate: float

    @abstractmethod
    def loss(self, real: Tensor, restored: Tensor) -> Tensor:
        """What it learns by, a scalar."""

    @abstractmethod
    def fooling_loss(self, real: Tensor, restored: Tensor) -> Tensor:
        """What the generator plays for, a scalar."""

    @abstractmethod
    def distance(self, real: Tensor, restored: Tensor) -> Tensor:
        """Of the embeddings of what was there and of what was restored: the score of S1 §4.3, (n,)."""

    def after_step(self) -> None:
        """What is done to the weights after a step; mostly nothing."""

"""Embeddings learnt by triplets: a turned image stays near, a restoration does not (S1 §4.1.3)."""

from itertools import pairwise
from math import pi
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.losses import inpainting
from urushi.losses.inpainting import VariantOption
from urushi.models.discriminators.base import Discriminator, DiscriminatorRate
from urushi.models.networks.rotation import rotate

_FILTERS = (16, 32, 64)


class TripletDiscriminator(Discriminator):
    """Three 5×5 convolutions with PReLU, max pooling and dropout of 0.2, and one linear layer."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        variant: VariantOption = "image_anchor",
        margin: Annotated[float, Field(gt=0, le=100, description="m of the triplet loss")] = 0.5,
        n_embedding: Annotated[int, Field(ge=2, le=4096, description="size of the embedding")] = 128,
        learning_rate: DiscriminatorRate = 1e-4,
    ) -> None:
        super().__init__()
        self.variant, self.margin, self.learning_rate = variant, margin, learning_rate
        layers: list[nn.Module] = []
        for before, after in pairwise((shape[0], *_FILTERS)):
            layers += [nn.Conv2d(before, after, 5, padding=2), nn.PReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)]
        side = shape[1] // 2 ** len(_FILTERS)
        self.network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(_FILTERS[-1] * side**2, n_embedding))

    def loss(self, real: Tensor, restored: Tensor) -> Tensor:
        return inpainting.triplet_loss(self.variant, *self._embedded(real, restored), margin=self.margin)

    def fooling_loss(self, real: Tensor, restored: Tensor) -> Tensor:
        return inpainting.fooling_loss(self.variant, *self._embedded(real, restored))

    def distance(self, real: Tensor, restored: Tensor) -> Tensor:
        """Of the kind that it was trained with."""
        return inpainting.distance(self.variant, self.network(real), self.network(restored))

    def _embedded(self, real: Tensor, restored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image, image turned by −90…90°, restoration."""
        angles = (torch.rand(real.shape[0], device=real.device) - 0.5) * pi
        turned = rotate(real, angles, "bilinear")
        return self.network(real), self.network(turned), self.network(restored)

"""What a loss network is, and the perceptual and style loss it sees (S1 §4.2; Johnson et al. 2016; Liu et al. 2018)."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

PerceptualWeight = Annotated[float, Field(ge=0, description="of the difference of features")]
StyleWeight = Annotated[float, Field(ge=0, description="of the difference of Gram matrices")]


class LossNetwork(ABC):
    """Compares images by feature maps; its options are keyword-only. A detector holds none: it is made when needed."""

    def __init__(self, *, perceptual: PerceptualWeight = 0.01, style: StyleWeight = 0.1) -> None:
        self.perceptual, self.style = perceptual, style

    @cached_property
    def network(self) -> nn.Module:
        """Frozen: (B, 1 or 3, H, W) in [0, 1] -> maps (B, C, h, w), one for each depth that is compared."""
        return self.load()

    @abstractmethod
    def load(self) -> nn.Module:
        """The network with its weights; raises MissingPackageError, RecipeError."""

    def features(self, images: Tensor) -> list[Tensor]:
        """Of images (B, C, H, W) in [0, 1]."""
        maps: list[Tensor] = self.network.to(images.device)(images)
        return maps

    def __call__(self, restored: Tensor, true: Tensor) -> Tensor:
        """Both losses with their weights, of (B, C, H, W) twice: a scalar."""
        with torch.no_grad():
            wanted = self.features(true)
        found = self.features(restored)
        return self.perceptual * perceptual_loss(found, wanted) + self.style * style_loss(found, wanted)


def perceptual_loss(ones: list[Tensor], others: list[Tensor]) -> Tensor:
    """Σ over depths of the mean absolute difference of features, a scalar (S1's L1 norm, per element)."""
    return torch.stack([(a - b).abs().mean() for a, b in zip(ones, others, strict=True)]).sum()


def style_loss(ones: list[Tensor], others: list[Tensor]) -> Tensor:
    """Σ over depths of |G − G'| / C², of Gram matrices G = ΨᵀΨ / (H·W·C), a scalar averaged over images (S1 §4.2)."""
    return torch.stack([(gram(a) - gram(b)).abs().mean() for a, b in zip(ones, others, strict=True)]).sum()


def gram(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): products of channels, summed over places, over H·W·C."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])

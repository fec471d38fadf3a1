"""Perceptual loss: distance of features of a pretrained network (METHODS §3)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor

from urushi.losses.reconstruction._features import Features
from urushi.losses.reconstruction.base import ReconstructionLoss


class Perceptual(ReconstructionLoss):
    """The squared distance of unit feature vectors of EfficientNet-Lite0, averaged over blocks."""

    def __init__(
        self, *, blocks: Annotated[Sequence[int], Field(description="EfficientNet-Lite0 blocks")] = (0, 2, 4)
    ) -> None:
        self.features = Features(blocks)

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        return self.features.distance(rebuilt, images)

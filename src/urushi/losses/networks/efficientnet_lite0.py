"""EfficientNet-Lite0, which comes along: perceptual and style loss without a download."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.losses.networks.base import LossNetwork, PerceptualWeight, StyleWeight


class EfficientNetLite0(LossNetwork):
    """The maps after the chosen blocks."""

    def __init__(
        self,
        *,
        perceptual: PerceptualWeight = 0.01,
        style: StyleWeight = 0.1,
        blocks: Annotated[Sequence[int], Field(description="EfficientNet-Lite0 blocks")] = (0, 2, 4),
    ) -> None:
        super().__init__(perceptual=perceptual, style=style)
        self.blocks = blocks

    def load(self) -> LiteBackbone:
        return LiteBackbone(self.blocks)

"""Feature matching: pixels and features at once (S4 eq. 3)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.losses.reconstruction._features import Features
from urushi.losses.reconstruction.base import Encoder, ReconstructionLoss


class FeatureMatching(ReconstructionLoss):
    """w_im (x − x̂)² + w_ft (F(x) − F(x̂))², where F is fixed (the backbone) or trained (the method's own encoder)."""

    def __init__(
        self,
        *,
        image_weight: Annotated[float, Field(ge=0, description="w_im")] = 1.0,
        feature_weight: Annotated[float, Field(ge=0, description="w_ft")] = 0.1,
        features: Annotated[
            Literal["backbone", "encoder"], Field(description="F: EfficientNet-Lite0, or the encoder in training")
        ] = "backbone",
        blocks: Annotated[Sequence[int], Field(description="EfficientNet-Lite0 blocks")] = (0, 2, 4),
    ) -> None:
        self.image_weight, self.feature_weight, self.features = image_weight, feature_weight, features
        self.backbone = Features(blocks)

    def residual(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        pixels = self.image_weight * (rebuilt - images).square().mean(dim=1, keepdim=True)
        if self.features == "encoder":
            return pixels
        distance = F.interpolate(self.backbone.distance(rebuilt, images), pixels.shape[-2:], mode="bilinear")
        return pixels + self.feature_weight * distance

    def of_latents(self, rebuilt: Tensor, images: Tensor, encoder: Encoder) -> Tensor:
        if self.features == "backbone":
            return rebuilt.new_zeros(())
        return self.feature_weight * (encoder(rebuilt) - encoder(images)).square().mean()

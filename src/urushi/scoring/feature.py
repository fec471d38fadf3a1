"""Feature residual: how far apart original and reconstruction are for a pretrained network (METHODS §9, §10)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import Pooling, PoolingOption, Quantile, Score, TopFraction, enlarge


class Feature(Score):
    """The squared distance of features, averaged over channels; the image score is the mean of its highest share.

    A method that rebuilds features is compared in them directly, or by its own measure of the residual where it has
    one, and what it perceives beside the map is added to the image score; the pixels of any other method go through the
    backbone first, whose channel vectors are brought to unit length so that every block counts alike.
    """

    default_pooling: Pooling = "top"

    def __init__(
        self,
        space: Space,
        *,
        blocks: Annotated[Sequence[int], Field(description="EfficientNet-Lite0 blocks; only for pixels")] = (2, 4, 10),
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.backbone = LiteBackbone(blocks) if space == "pixels" else None

    @property
    def adds_perceived(self) -> bool:
        return self.backbone is None and self.pooling is None

    def compare(self, pair: Reconstruction) -> Tensor:
        if pair.residual is not None:
            return pair.residual
        if self.backbone is None:
            return _distance(pair.original, pair.reconstruction)
        pairs = zip(self.backbone(pair.original), self.backbone(pair.reconstruction), strict=True)
        distances = [_distance(_unit(a), _unit(b)) for a, b in pairs]
        largest = (distances[0].shape[-2], distances[0].shape[-1])
        return torch.stack([enlarge(d, largest) for d in distances]).mean(dim=0)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        pooled = super().image_score(pair, residual)
        return pooled if self.backbone is not None or pair.perceived is None else pooled + pair.perceived


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean(dim=1, keepdim=True)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1, eps=1e-6)

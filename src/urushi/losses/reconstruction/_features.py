"""Distances of features of the frozen backbone."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from urushi.backbones.efficientnet_lite import LiteBackbone


class Features:
    """The backbone is made when it is first needed, so that a detector that only inspects never has one."""

    def __init__(self, blocks: Sequence[int]) -> None:
        self.blocks = blocks

    @cached_property
    def backbone(self) -> LiteBackbone:
        """EfficientNet-Lite0 up to the last of the blocks."""
        return LiteBackbone(self.blocks)

    def distance(self, one: Tensor, other: Tensor) -> Tensor:
        """(B, C, H, W) twice -> (B, 1, h, w) at the finest block; channel vectors are brought to unit length first."""
        backbone = self.backbone.to(one.device)
        pairs = zip(backbone(one), backbone(other), strict=True)
        maps = [(_unit(a) - _unit(b)).square().sum(dim=1, keepdim=True) for a, b in pairs]
        size = (maps[0].shape[-2], maps[0].shape[-1])
        return torch.stack([F.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]).mean(dim=0)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1, eps=1e-6)

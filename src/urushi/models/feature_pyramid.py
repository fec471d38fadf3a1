"""Rebuilds three levels of a pretrained network's features, and compares the whole image by their statistics."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.backbones import find
from urushi.errors import DatasetError, RecipeError
from urushi.models._frozen_features import (
    BlocksOption,
    FrozenFeatures,
    NetworkOption,
    PicturesOption,
    WeightsOption,
    mean_of_worst,
    to_grid,
)
from urushi.models.base import Extra, Reconstruction, Statistics
from urushi.models.networks.feature_level import FeatureLevel
from urushi.models.networks.image_descriptor import ImageDescriptor, described

_VARIANCES = (None, 0.9, 0.95)  # of the levels, from fine to coarse: what a PCA keeps; None: a Mahalanobis distance
_WEIGHTS = (4, 2, 1)  # of their logarithms
_LEAST = 0.05  # added to squared residuals, which are 1 on average, before the logarithm
_SELF = 0.5  # share of the image's own mean that is taken from its logarithms


class FeaturePyramid(FrozenFeatures):
    """Each level's features are rebuilt from the mean at each place and the directions in which normal images vary.

    The levels are the network's own choice or the first three of `blocks`; of EfficientNet-Lite the last maps at 1/8
    and 1/16 and the next to last at 1/32 of the image's size. The map is the geometric mean of their squared residuals
    on the finest grid, divided by the root of the image's own mean, since an image that is odd all over is nowhere odd
    in particular. What is odd all over is told by the image's statistics, which count beside the map in the score:
    mean, deviation and roughness of all channels of all maps but the finest, and of EfficientNet-Lite of another map at
    1/32 and of the many channels within the first block there. Their covariance weighs each of them by how normal
    images vary.
    """

    is_closed_form = True
    is_additive = True
    opinions = frozenset[Extra]({"perceived"})

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        backbone: NetworkOption = "efficientnet_lite0",
        backbone_weights: WeightsOption = "inside",
        blocks: BlocksOption = None,
        pictures: PicturesOption = 64,
        weight: Annotated[
            float, Field(ge=0, le=1000, description="of the image's statistics in the score, beside the map")
        ] = 10,
    ) -> None:
        network = find(backbone)
        taken, inside = (network.pyramid, network.inside) if blocks is None else (blocks, None)
        if len(taken) < len(_WEIGHTS):
            raise RecipeError(f"model.blocks = {list(taken)}: feature_pyramid rebuilds three levels, name as many")
        super().__init__(image_shape, network.backbone(taken, inside, backbone_weights))
        self.weight = weight
        shapes = [self.backbone.shape(place, image_shape) for place in range(len(_WEIGHTS))]
        self.levels = nn.ModuleList(map(FeatureLevel, shapes, _VARIANCES))
        self.sizes = [math.prod(shape) for shape in shapes]
        self.whole = ImageDescriptor(3 * sum(self.backbone.channels[1:]))
        self.remember(pictures, shapes[1][0], shapes[1][1:])

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> the three levels and the descriptor, each flat, joined: (B, J)."""
        maps = self.backbone(images)
        levels = (to_grid(found, level.shape[1:]) for found, level in zip(maps, self._levels, strict=False))
        return torch.cat([*(level.flatten(1) for level in levels), described(maps[1:])], dim=1)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        *maps, descriptor = self._parts(inputs)
        residual = self._residual([level(features) for level, features in zip(self.levels, maps, strict=True)])
        original, rebuilt = self._middle.pair(maps[1])
        return Reconstruction(original, rebuilt, residual=residual, perceived=self.perceived_in(descriptor))

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs, on the middle level: (B, C)."""
        return mean_of_worst(self._middle(self._parts(inputs)[1]))

    def statistics(self, inputs: Tensor) -> Statistics:
        pairs = zip(self._levels, self._parts(inputs), strict=False)
        return tuple(tensor for level, features in pairs for tensor in level.statistics(features))

    def descriptors(self, inputs: Tensor) -> Tensor:
        return self._parts(inputs)[-1]

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:
        if len(descriptors) < 2:
            raise DatasetError(
                "Only one image was left to learn from, and feature_pyramid learns how good images differ at each "
                "place. Give at least 3 good images, better 20."
            )
        for number, level in enumerate(self._levels):
            level.learn(statistics[3 * number : 3 * number + 3])
        self.learn_descriptors(descriptors)

    def learn_descriptors(self, descriptors: Tensor) -> None:
        self.whole.learn(descriptors)

    def perceived_in(self, descriptors: Tensor) -> Tensor:
        found: Tensor = self.weight * self.whole(descriptors)
        return found

    def facts(self) -> dict[str, Any]:
        return super().facts() | ({"beside_map": "image"} if self.weight else {})

    def _parts(self, inputs: Tensor) -> list[Tensor]:
        """The levels, (B, C, h, w) each, and the descriptor (B, J)."""
        *levels, descriptor = torch.split(inputs, [*self.sizes, inputs.shape[1] - sum(self.sizes)], dim=1)
        return [*(flat.reshape(-1, *level.shape) for flat, level in zip(levels, self._levels, strict=True)), descriptor]

    def _residual(self, residuals: Sequence[Tensor]) -> Tensor:
        """(B, 1, h, w) > 0 on the grid of the finest level."""
        logarithms = [(one.square().sum(dim=1, keepdim=True) + _LEAST).log() for one in residuals]
        fine, *coarser = logarithms
        same = [fine, *(_enlarged(one, fine.shape[-2:]) for one in coarser)]
        mean = torch.cat([w * one for w, one in zip(_WEIGHTS, same, strict=True)], dim=1).sum(1, True) / sum(_WEIGHTS)
        return (mean - _SELF * mean.mean(dim=(1, 2, 3), keepdim=True)).exp()

    @property
    def _levels(self) -> list[FeatureLevel]:
        return [level for level in self.levels if isinstance(level, FeatureLevel)]

    @property
    def _middle(self) -> FeatureLevel:
        return self._levels[1]


def _enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(B, 1, h, w) -> (B, 1, *size) by bicubic interpolation, as two products: runtimes resample small maps slowly."""
    rows, columns = (_interpolation(old, new).to(maps) for old, new in zip(maps.shape[-2:], size, strict=True))
    return rows @ maps @ columns.T


@cache
def _interpolation(n_old: int, n_new: int) -> Tensor:
    """The matrix (n_new, n_old) that interpolates along one axis."""
    unit = torch.eye(n_old)[:, None, :, None].expand(-1, -1, -1, 2)
    found = F.interpolate(unit, (n_new, 2), mode="bicubic", align_corners=False)
    return found[:, 0, :, 0].T.contiguous()

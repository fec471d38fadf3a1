"""Rebuilds the features of a pretrained network instead of pixels (METHODS §9; S4 eq. 3 taken further)."""

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.backbone import Backbone
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Reconstructor, Space

_WORST = 0.02  # share of cells that tell what kind of defect it is


class FeatureReconstruction(Reconstructor):
    """Projects features onto the directions in which normal images vary; what lies outside is not normal.

    The chosen blocks' features are brought to one grid and joined, each channel is standardised on the normal
    training images, and principal components that hold `variance` of the whole are kept. The fit is one pass over the
    data: it needs their mean and covariance only.
    """

    space: ClassVar[Space] = "features"
    is_closed_form = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        kind: Annotated[Literal["pca"], Field(description="pca: linear, in closed form")] = "pca",
        blocks: Annotated[Sequence[int], Field(description="EfficientNet-Lite0 blocks whose features are joined")] = (
            4,
            7,
            10,
            14,
            15,
        ),
        stride: Annotated[Literal[8, 16, 32], Field(description="px of the image per cell of the common grid")] = 16,
        variance: Annotated[float, Field(gt=0, le=1, description="share of the variance that is kept")] = 0.97,
    ) -> None:
        super().__init__(image_shape)
        _, height, width = image_shape
        self.grid = (-(-height // stride), -(-width // stride))
        self.kind, self.variance = kind, variance
        self.backbone = Backbone(blocks)
        if min(height, width) < (smallest := self.backbone.smallest_px):
            raise RecipeError(
                f"images are {height}×{width} px, but these blocks take at least {smallest} px a side; "
                "set preprocessing.resize.height and .width"
            )
        n_channels = sum(self.backbone.channels)
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("deviation", torch.ones(n_channels))
        # The projector V·Vᵀ, not V: its shape does not depend on the data.
        self.register_buffer("projection", torch.zeros(n_channels, n_channels))

    mean: Tensor
    deviation: Tensor
    projection: Tensor

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> joined features (B, C, H/stride, W/stride)."""
        return torch.cat([_to_grid(features, self.grid) for features in self.backbone(images)], dim=1)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        features = (inputs - self.mean[:, None, None]) / self.deviation[:, None, None]
        return Reconstruction(features, F.conv2d(features, self.projection[:, :, None, None]))

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs: the mean residual of the 2 % worst cells, (B, C)."""
        pair = self.reconstruct(inputs)
        residual = (pair.original - pair.reconstruction).flatten(2)
        n_cells = max(1, round(_WORST * residual.shape[2]))
        worst = residual.square().sum(dim=1, keepdim=True).topk(n_cells, dim=2).indices
        return residual.gather(2, worst.expand(-1, residual.shape[1], -1)).mean(dim=2)

    def fit(self, batches: Iterable[Tensor]) -> None:
        mean, covariance = _moments(batches)
        deviation = covariance.diagonal().clamp_min(1e-12).sqrt()  # a channel that never moves stays unscaled noise
        values, vectors = torch.linalg.eigh(covariance / torch.outer(deviation, deviation))
        kept = vectors.flip(1)[:, : _rank(values.flip(0), self.variance)]
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.projection.copy_(kept @ kept.T)


def _to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    if features.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)


def _moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) over all cells, in double precision, so that batching does not matter."""
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for inputs in batches:
        cells = inputs.movedim(1, -1).flatten(0, -2).double()  # (B·h·w, C)
        count, total, products = count + len(cells), total + cells.sum(0), products + cells.T @ cells
    mean = total / count
    return mean, products / count - torch.outer(mean, mean)


def _rank(values: Tensor, share: float) -> int:
    """How many of the eigenvalues, largest first, hold the given share of their sum."""
    held = values.clamp_min(0).cumsum(0) / values.clamp_min(0).sum()
    return min(int((held < share).sum()) + 1, len(values))

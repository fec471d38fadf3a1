"""PaDiM (Defard et al. 2021): a Gaussian of deep features at each place of the image."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from urushi.errors import DatasetError, RecipeError
from urushi.models._frozen_features import BlocksOption, NetworkOption, PicturesOption, WeightsOption, mean_of_worst
from urushi.models._joined_features import JoinedFeatures
from urushi.models.base import Reconstruction, Statistics


class Padim(JoinedFeatures):
    """Each place has the mean and the covariance of what normal images have there; a cell's residual is its distance.

    A random subset of the joined features' channels is taken. The distance is Mahalanobis's, by the covariance with a
    ridge. What is rebuilt is the most likely normal value where a cell is one plus noise of the ridge's variance.
    """

    is_closed_form = True
    is_additive = True
    chosen: Tensor
    mean: Tensor
    precision: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        backbone: NetworkOption = "efficientnet_lite0",
        backbone_weights: WeightsOption = "inside",
        blocks: BlocksOption = None,
        stride: Annotated[
            Literal[4, 8, 16, 32],
            Field(description="px of the image per cell; half of it makes a file four times as large"),
        ] = 8,
        channels: Annotated[int, Field(gt=0, le=1000, description="of the blocks' channels, drawn at random")] = 100,
        ridge: Annotated[float, Field(gt=0, le=100, description="added to the variance of each channel")] = 0.01,
        pictures: PicturesOption = 64,
    ) -> None:
        super().__init__(image_shape, backbone, backbone_weights, blocks, stride, (), None, 0)
        if channels > self.n_channels:
            raise RecipeError(
                f"model.channels = {channels}: blocks {list(self.backbone.taken)} have {self.n_channels}; take fewer"
            )
        self.ridge, n_cells = ridge, math.prod(self.grid)
        drawn = torch.randperm(self.n_channels, generator=torch.Generator().manual_seed(0), device="cpu")[:channels]
        self.register_buffer("chosen", drawn)
        self.register_buffer("mean", torch.zeros(channels, *self.grid))
        self.register_buffer("precision", torch.zeros(n_cells, channels, channels))
        self.remember(pictures, channels, self.grid)

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> the channels that were drawn, (B, C, H/stride, W/stride)."""
        return super().embed(images)[:, self.chosen]

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        difference = (inputs - self.mean).flatten(2).permute(2, 0, 1)  # (h·w, B, C)
        weighed = difference @ self.precision
        distance = (difference * weighed).sum(dim=2).clamp_min(0).sqrt().T
        rebuilt = inputs - self.ridge * weighed.permute(1, 2, 0).reshape(inputs.shape)
        return Reconstruction(inputs, rebuilt, residual=distance.reshape(-1, 1, *self.grid))

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs, (B, C)."""
        pair = self.reconstruct(inputs)
        return mean_of_worst(pair.original - pair.reconstruction)

    def statistics(self, inputs: Tensor) -> Statistics:
        """Number of images, and of each place sums (h·w, C) and products, the upper triangle, in double precision."""
        cells = inputs.double().flatten(2).permute(2, 0, 1)
        rows, columns = _upper(cells.shape[2])
        return torch.tensor(len(inputs)), cells.sum(dim=1), (cells.mT @ cells)[:, rows, columns]

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:  # noqa: ARG002
        count, total, products = statistics
        if count < 2:
            raise DatasetError(
                "Only one image was left to learn from, and padim learns how good images differ at each place. "
                "Give at least 3 good images, better 100."
            )
        mean = total / count
        self.mean.copy_(mean.T.reshape(self.mean.shape))
        rows, columns = _upper(mean.shape[1])
        covariance = torch.zeros(self.precision.shape, dtype=products.dtype, device=products.device)
        covariance[:, rows, columns] = (products - count * mean[:, rows] * mean[:, columns]) / (count - 1)
        covariance[:, columns, rows] = covariance[:, rows, columns]
        covariance.diagonal(dim1=1, dim2=2).clamp_min_(0).add_(self.ridge)
        self.precision.copy_(torch.cholesky_inverse(torch.linalg.cholesky(covariance)))


def _upper(n: int) -> Sequence[Tensor]:
    """Rows and columns of an upper triangle."""
    rows, columns = torch.triu_indices(n, n)
    return rows, columns

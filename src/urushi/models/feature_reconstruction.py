"""Rebuilds the features of a pretrained network instead of pixels (METHODS §9; S4 eq. 3 taken further)."""

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.errors import RecipeError
from urushi.models._frozen_features import (
    BlocksOption,
    NetworkOption,
    PicturesOption,
    WeightsOption,
    mean_of_worst,
    to_grid,
)
from urushi.models._joined_features import (
    JoinedFeatures,
    StrideOption,
    WindowBlocksOption,
    WindowsOption,
)
from urushi.models.base import Reconstruction, Statistics, added
from urushi.models.networks.feature_memory import FeatureMemory
from urushi.models.networks.feature_windows import FeatureWindow

_MEMORY = 2048  # cells, where their number is not named


class FeatureReconstruction(JoinedFeatures):
    """Rebuilds features by what normal images have; what cannot be rebuilt is not normal.

    `pca` projects them onto the directions in which normal images vary, `nearest` takes the most similar cell of a
    memory. The chosen blocks' features are brought to one grid and joined. What windows of each size see of them is
    standardised on the normal training images, and principal components that hold `variance` of the whole are kept;
    the map is that of single cells, which tells where a scratch is; larger windows have a say in the score of an image
    alone, since a texture that is too coarse is nowhere in particular. The picture that is shown is the most similar
    one of some normal images.
    """

    is_closed_form = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        kind: Annotated[
            Literal["pca", "nearest"], Field(description="pca: linear; nearest: the most similar cell of a memory")
        ] = "pca",
        memory: Annotated[
            int | None, Field(gt=0, le=100_000, description="cells that `nearest` remembers; None: 2,048")
        ] = None,
        backbone: NetworkOption = "efficientnet_lite0",
        backbone_weights: WeightsOption = "inside",
        blocks: BlocksOption = None,
        stride: StrideOption = 16,
        windows: WindowsOption = (4, 0),
        window_blocks: WindowBlocksOption = None,
        variance: Annotated[float, Field(gt=0, le=1, description="share of the variance that is kept")] = 0.99,
        neighbourhood: Annotated[
            Literal[1, 3, 5],
            Field(description="side in cells over which each block's features are averaged; 1: not at all"),
        ] = 1,
        pictures: PicturesOption = 64,
    ) -> None:
        super().__init__(image_shape, backbone, backbone_weights, blocks, stride, windows, window_blocks, pictures)
        self.variance, self.neighbourhood = variance, neighbourhood
        self.cells = _cells(kind, self.n_channels, memory)

    def embed(self, images: Tensor) -> Tensor:
        side = self.neighbourhood
        near = [F.avg_pool2d(one, side, 1, side // 2) if side > 1 else one for one in self.backbone(images)]
        return torch.cat([to_grid(one, self.grid) for one in near], dim=1)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        original, rebuilt = self.cells(inputs)
        return Reconstruction(original, rebuilt, perceived=self.perceived(inputs))

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs, (B, C)."""
        original, rebuilt = self.cells(inputs)
        return mean_of_worst(original - rebuilt)

    @property
    def is_additive(self) -> bool:  # type: ignore[override]
        """As long as no memory of cells is kept."""
        return isinstance(self.cells, FeatureWindow)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """One pass over the data, and two more for a memory."""
        if isinstance(self.cells, FeatureMemory):
            self.cells.fit(batches)
        if self._linear:
            self.learn(added(map(self.statistics, batches)), torch.empty(0))

    def statistics(self, inputs: Tensor) -> Statistics:
        return tuple(tensor for part in self._linear for tensor in part.statistics(inputs))

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:  # noqa: ARG002
        for number, part in enumerate(self._linear):
            part.learn(statistics[3 * number : 3 * number + 3], self.variance)

    @property
    def _linear(self) -> list[FeatureWindow]:
        """What is rebuilt by principal components."""
        return [part for part in (self.cells, *self.windows) if isinstance(part, FeatureWindow)]


def _cells(kind: str, n_channels: int, memory: int | None) -> FeatureWindow | FeatureMemory:
    if kind == "nearest":
        return FeatureMemory(n_channels, memory or _MEMORY)
    if memory is not None:
        raise RecipeError(f"model.memory = {memory}: only model.kind = nearest has one; leave it out")
    return FeatureWindow(range(n_channels), 1)

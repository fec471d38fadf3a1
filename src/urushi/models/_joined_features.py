"""What methods share that join the features of some blocks on one grid: options, windows, and how they are joined."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.backbones import find
from urushi.backbones.base import Kept
from urushi.errors import RecipeError
from urushi.models._frozen_features import FrozenFeatures, to_grid
from urushi.models.base import Extra
from urushi.models.networks.feature_windows import FeatureWindow

StrideOption = Annotated[Literal[8, 16, 32], Field(description="px of the image per cell of the common grid")]
WindowsOption = Annotated[
    Sequence[Annotated[int, Field(ge=0)]],
    Field(
        description="sides in cells of windows whose mean, deviation and maximum are rebuilt by PCA beside the cells, "
        "for the score; 0: the whole image"
    ),
]
WindowBlocksOption = Annotated[
    Sequence[int] | None,
    Field(description="those of the blocks that windows see; None: all but the first and the last"),
]


class JoinedFeatures(FrozenFeatures):
    """Brings the features of some blocks to one grid and joins them; `reconstruct` gives them standardised.

    Windows have a say in the score of an image alone: a texture that is too coarse is nowhere in particular.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        backbone: str,
        backbone_weights: Kept,
        blocks: Sequence[int] | None,
        stride: int,
        windows: Sequence[int],
        window_blocks: Sequence[int] | None,
        pictures: int,
    ) -> None:
        network = find(backbone)
        chosen = network.joined if blocks is None else blocks
        super().__init__(image_shape, network.backbone(chosen, kept=backbone_weights))
        self.grid = (-(-image_shape[1] // stride), -(-image_shape[2] // stride))
        self.n_channels = sum(self.backbone.channels)
        self.windows = nn.ModuleList(FeatureWindow(self._channels(window_blocks), side) for side in windows)
        self.remember(pictures, self.n_channels, self.grid)

    @property
    def gives(self) -> frozenset[Extra]:
        """What is perceived in windows, where there are any, beside what other methods give."""
        return super().gives | frozenset({"perceived"} if len(self.windows) else {})

    def facts(self) -> dict[str, Any]:
        return super().facts() | ({"beside_map": "windows"} if len(self.windows) else {})

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> joined features (B, C, H/stride, W/stride)."""
        return torch.cat([to_grid(features, self.grid) for features in self.backbone(images)], dim=1)

    def perceived(self, inputs: Tensor) -> Tensor | None:
        """The highest mean squared residual of windows of each size, summed over sizes, (B,); None without windows."""
        if not len(self.windows):
            return None
        pairs = [window(inputs) for window in self.windows]
        residuals = [(a - b).square().mean(dim=1).flatten(1).amax(dim=1) for a, b in pairs]
        return torch.stack(residuals).sum(dim=0)

    def _channels(self, blocks: Sequence[int] | None) -> range:
        """Where the blocks that windows see lie in the joined features."""
        taken = self.backbone.taken
        blocks = (taken[1:-1] or taken) if blocks is None else blocks
        places = [taken.index(block) for block in sorted(blocks) if block in taken]
        if not blocks or len(places) < len(blocks) or places != list(range(places[0], places[-1] + 1)):
            raise RecipeError(f"model.window_blocks = {list(blocks)}: take some neighbours of blocks {list(taken)}")
        ends = [0, *accumulate(self.backbone.channels)]
        return range(ends[places[0]], ends[places[-1] + 1])

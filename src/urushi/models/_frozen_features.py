"""What methods on the features of a pretrained network share: the frozen front, and the picture that they show."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.backbones.efficientnet_lite import STAGES, Backbone, Network
from urushi.errors import RecipeError
from urushi.models.base import Extra, Reconstruction, Reconstructor, Space
from urushi.models.networks.feature_windows import FeatureWindow
from urushi.models.networks.picture_memory import PictureMemory

_FINEST = 8  # px of the image per cell, where blocks are not named

NetworkOption = Annotated[Network, Field(description="network; lite1 and lite2 need the extra backbones")]
BlocksOption = Annotated[
    Sequence[int] | None,
    Field(description="blocks of it whose features are joined; None: the last of each stage from 1/8 scale on"),
]
StrideOption = Annotated[Literal[8, 16, 32], Field(description="px of the image per cell of the common grid")]
PicturesOption = Annotated[
    int, Field(ge=0, le=1000, description="normal images kept to show the most similar one; 16 MiB at most")
]
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


class FrozenFeatures(Reconstructor):
    """Brings the features of some blocks to one grid and joins them; `reconstruct` gives them standardised.

    Windows have a say in the score of an image alone: a texture that is too coarse is nowhere in particular.
    """

    space: ClassVar[Space] = "features"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        backbone: Network,
        blocks: Sequence[int] | None,
        stride: int,
        windows: Sequence[int],
        window_blocks: Sequence[int] | None,
        pictures: int,
    ) -> None:
        super().__init__(image_shape)
        _, height, width = image_shape
        self.grid = (-(-height // stride), -(-width // stride))
        stages = STAGES[backbone]
        chosen = [block for block, (scale, _) in stages.items() if scale >= _FINEST] if blocks is None else blocks
        self.backbone = Backbone(chosen, backbone)
        if min(height, width) < (smallest := self.backbone.smallest_px):
            raise RecipeError(
                f"images are {height}×{width} px, but these blocks take at least {smallest} px a side; "
                "set preprocessing.resize.height and .width"
            )
        self.n_channels = sum(self.backbone.channels)
        self.windows = nn.ModuleList(FeatureWindow(self._channels(window_blocks), side) for side in windows)
        self.memory = PictureMemory(pictures, image_shape, self.n_channels, self.grid) if pictures else None
        self.n_pictures = self.memory.n if self.memory else 0

    @property
    def gives(self) -> frozenset[Extra]:
        """What is perceived in windows, where there are any, beside what other methods give."""
        return super().gives | frozenset({"perceived"} if len(self.windows) else {})

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> joined features (B, C, H/stride, W/stride)."""
        return torch.cat([_to_grid(features, self.grid) for features in self.backbone(images)], dim=1)

    def perceived(self, inputs: Tensor) -> Tensor | None:
        """The highest mean squared residual of windows of each size, summed over sizes, (B,); None without windows."""
        if not len(self.windows):
            return None
        pairs = [window(inputs) for window in self.windows]
        residuals = [(a - b).square().mean(dim=1).flatten(1).amax(dim=1) for a, b in pairs]
        return torch.stack(residuals).sum(dim=0)

    def picture(self, pair: Reconstruction) -> Tensor:
        """The most similar of the normal images that are kept."""
        return self.memory(pair.original) if self.memory else pair.reconstruction

    def keep(self, images: Tensor) -> None:
        assert self.memory is not None
        with torch.no_grad():
            features = [self.reconstruct(self.embed(image[None])).original for image in images]
        self.memory.remember(images, torch.cat(features))

    def facts(self) -> dict[str, Any]:
        return {"n_pictures": self.n_pictures} if self.n_pictures else {}

    def _channels(self, blocks: Sequence[int] | None) -> range:
        """Where the blocks that windows see lie in the joined features."""
        taken = self.backbone.taken
        blocks = (taken[1:-1] or taken) if blocks is None else blocks
        places = [taken.index(block) for block in sorted(blocks) if block in taken]
        if not blocks or len(places) < len(blocks) or places != list(range(places[0], places[-1] + 1)):
            raise RecipeError(f"model.window_blocks = {list(blocks)}: take some neighbours of blocks {list(taken)}")
        ends = [0, *accumulate(self.backbone.channels)]
        return range(ends[places[0]], ends[places[-1] + 1])


def _to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    if features.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)

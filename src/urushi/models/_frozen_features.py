"""What methods on the features of a pretrained network share: the frozen front, and the picture that they show."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.backbone import STAGES, Backbone, Network
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Reconstructor, Space
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


class FrozenFeatures(Reconstructor):
    """Brings the features of some blocks to one grid and joins them; `reconstruct` gives them standardised."""

    space: ClassVar[Space] = "features"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        backbone: Network,
        blocks: Sequence[int] | None,
        stride: int,
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
        self.memory = PictureMemory(pictures, image_shape, self.n_channels, self.grid) if pictures else None
        self.n_pictures = self.memory.n if self.memory else 0

    def embed(self, images: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1] -> joined features (B, C, H/stride, W/stride)."""
        return torch.cat([_to_grid(features, self.grid) for features in self.backbone(images)], dim=1)

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


def _to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    if features.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)

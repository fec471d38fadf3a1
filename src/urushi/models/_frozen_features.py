"""What methods on the features of a pretrained network share: the frozen front, and the picture that they show."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.backbones.base import Backbone, Kept
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Reconstructor, Space
from urushi.models.networks.picture_memory import PictureMemory
from urushi.printable import in_px

_WORST = 0.02  # share of cells that tell what kind of defect it is

NetworkOption = Annotated[
    str,
    Field(
        description="efficientnet_lite0, _lite1, _lite2, a folder in Hugging Face layout, hub:OWNER/NAME or timm:NAME; "
        "all but the first need the extra backbones, networks of timm the extra timm"
    ),
]
WeightsOption = Annotated[
    Kept,
    Field(description="inside: in the detector file; reference: in their folder, checked by digest when it is loaded"),
]
BlocksOption = Annotated[
    Sequence[int] | None,
    Field(description="blocks, stages or layers of it whose features are taken; None: those that suit the network"),
]
PicturesOption = Annotated[
    int, Field(ge=0, le=1000, description="normal images kept to show the most similar one; 16 MiB at most")
]


class FrozenFeatures(Reconstructor):
    """Compares features of a backbone; the picture that is shown is the most similar one of some normal images."""

    space: ClassVar[Space] = "features"

    def __init__(self, image_shape: tuple[int, int, int], backbone: Backbone) -> None:
        super().__init__(image_shape)
        _, height, width = image_shape
        if min(height, width) < (smallest := backbone.smallest_px):
            raise RecipeError(
                f"images are {in_px((height, width))}, but these blocks take at least {smallest} px a side; "
                "set preprocessing.resize.height and .width"
            )
        self.backbone = backbone
        self.memory: PictureMemory | None = None

    def remember(self, n: int, n_channels: int, grid: tuple[int, int]) -> None:
        """Makes room for n normal images, told apart by the original of a pair (B, n_channels, *grid)."""
        self.memory = PictureMemory(n, self.image_shape, n_channels, grid) if n else None
        self.n_pictures = self.memory.n if self.memory else 0

    def picture(self, pair: Reconstruction) -> Tensor:
        """The most similar of the normal images that are kept."""
        return self.memory(pair.original) if self.memory else pair.reconstruction

    def keep(self, images: Tensor) -> None:
        assert self.memory is not None
        with torch.no_grad():
            features = [self.reconstruct(self.embed(image[None])).original for image in images]
        self.memory.remember(images, torch.cat(features))

    @property
    def kept(self) -> Tensor:
        assert self.memory is not None
        return self.memory.pictures.float() / 255

    def facts(self) -> dict[str, Any]:
        return {"backbone": self.backbone.card()} | ({"n_pictures": self.n_pictures} if self.n_pictures else {})


def to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *grid), by averages or, where it is finer, between the cells."""
    if features.shape[-2:] == grid:
        return features
    if features.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(features, grid)
    return F.interpolate(features, grid, mode="bilinear", align_corners=False)


def mean_of_worst(residual: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C): what differs where most differs, in the 2 % of cells with the largest residual."""
    flat = residual.flatten(2)
    n_cells = max(1, round(_WORST * flat.shape[2]))
    worst = flat.square().sum(dim=1, keepdim=True).topk(n_cells, dim=2).indices
    return flat.gather(2, worst.expand(-1, flat.shape[1], -1)).mean(dim=2)

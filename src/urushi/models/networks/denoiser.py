"""The U-Net that finds the noise in an image, by diffusers (S5 §4.2)."""

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from urushi.catalogue.extras import require
from urushi.errors import RecipeError
from urushi.printable import in_px

Levels = Annotated[int, Field(ge=2, le=6, description="resolutions of the U-Net, each half of the one before")]


class Denoiser(nn.Module):
    """x_t (B, C, H, W) and t (B,) from 1 -> the noise in it, with group normalisation and self-attention.

    With `patch_px` above 1 the U-Net sees patches of so many px a side as channels of one place: no detail is lost, and
    a step takes a fraction of the time.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], *, width: int, levels: int, patch_px: int, attention: bool
    ) -> None:
        super().__init__()
        channels, height, img_width = image_shape
        self.patch_px, self.stride_px = patch_px, patch_px << (levels - 1)
        multiple = self.stride_px
        if height % multiple or img_width % multiple:
            raise RecipeError(
                f"images are {in_px((height, img_width))}, but {levels} levels of patches of {patch_px} px take sides "
                f"that are multiples of {multiple}; "
                "set preprocessing.resize.height and .width, or model.levels and .patch_px"
            )
        self.network = _network(channels * patch_px**2, width, levels, attention)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        patches = functional.pixel_unshuffle(x, self.patch_px)
        return functional.pixel_shuffle(self.network(patches, t - 1, return_dict=False)[0], self.patch_px)


def _network(channels: int, width: int, levels: int, attention: bool) -> nn.Module:
    require("diffusers", "train")
    from diffusers import UNet2DModel  # type: ignore[attr-defined, unused-ignore]

    plain = levels - 1 if attention else levels
    down = ["DownBlock2D"] * plain + ["AttnDownBlock2D"] * (levels - plain)
    up = ["AttnUpBlock2D"] * (levels - plain) + ["UpBlock2D"] * plain
    how: dict[str, Any] = {"in_channels": channels, "out_channels": channels, "layers_per_block": 1}
    how |= {"block_out_channels": [width * min(1 << level, 4) for level in range(levels)], "norm_num_groups": 8}
    unet: Any = UNet2DModel
    network: nn.Module = unet(
        **how, down_block_types=down, up_block_types=up, add_attention=attention, attention_head_dim=8
    )
    return network

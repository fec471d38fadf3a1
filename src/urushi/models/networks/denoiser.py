"""The U-Net that finds the noise in an image, by diffusers (S5 §4.2)."""

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from urushi.catalogue.extras import require
from urushi.errors import RecipeError
from urushi.printable import in_px

_LEAST_DETAIL = 0.02  # deviation, of images in [−1, 1]
Levels = Annotated[int, Field(ge=2, le=6, description="resolutions of the U-Net, each half of the one before")]


class Denoiser(nn.Module):
    """x_t (B, C, H, W) and t (B,) from 1 -> the noise in it, with group normalisation and self-attention.

    With `noise_shares` it also sees what a blur takes away, at the scale of the noise: at a small t there is little
    noise, which is hard to find in an image a hundred times as strong. With `patch_px` above 1 the U-Net sees patches
    of so many px a side as channels of one place: no detail is lost, and a step takes a fraction of the time.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        width: int,
        levels: int,
        patch_px: int,
        attention_levels: int,
        noise_shares: np.ndarray | None = None,
    ) -> None:
        """`noise_shares` are √(1 − ᾱ_t) for t = 0 … T, (T + 1,): without them it sees x_t alone."""
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
        self.noise_shares, n = noise_shares, channels * patch_px**2
        n_inputs = n if noise_shares is None else 2 * n
        self.network = _network((n_inputs, n), width, levels, attention_levels)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        seen = x if self.noise_shares is None else torch.cat([x, self._detail(x, t, self.noise_shares)], dim=1)
        patches = functional.pixel_unshuffle(seen, self.patch_px)
        return functional.pixel_shuffle(self.network(patches, t - 1, return_dict=False)[0], self.patch_px)

    def _detail(self, x: Tensor, t: Tensor, noise_shares: np.ndarray) -> Tensor:
        """What a 3×3 blur takes away, over the noise's deviation at t and the least that details of images have."""
        scale = torch.as_tensor(noise_shares, dtype=x.dtype, device=x.device)[t].view(-1, 1, 1, 1)
        blurred = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return (x - blurred) / (scale.square() + _LEAST_DETAIL**2).sqrt()


def _network(channels: tuple[int, int], width: int, levels: int, attention_levels: int) -> nn.Module:
    require("diffusers", "train")
    from diffusers import UNet2DModel  # type: ignore[attr-defined, unused-ignore]

    plain = levels - attention_levels
    down = ["DownBlock2D"] * plain + ["AttnDownBlock2D"] * (levels - plain)
    up = ["AttnUpBlock2D"] * (levels - plain) + ["UpBlock2D"] * plain
    how: dict[str, Any] = {"in_channels": channels[0], "out_channels": channels[1], "layers_per_block": 1}
    how |= {"block_out_channels": [width * min(1 << level, 4) for level in range(levels)], "norm_num_groups": 8}
    unet: Any = UNet2DModel
    network: nn.Module = unet(
        **how, down_block_types=down, up_block_types=up, add_attention=attention_levels > 0, attention_head_dim=8
    )
    return network

"""A U-Net that restores images: what is fine passes round the bottleneck (Ronneberger et al. 2015; ARNet)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from urushi.errors import RecipeError
from urushi.printable import in_px

_LEVELS = 4
_WIDTH = 16
_GROUPS = 4
_LEAK = 0.1


class UNet(nn.Module):
    """(B, C, H, W) -> (B, C, H, W) in [0, 1]; four levels, each half of the one before and twice as wide."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, *sides = image_shape
        multiple = 1 << (_LEVELS - 1)
        if any(side % multiple for side in sides):
            raise RecipeError(
                f"images are {in_px(sides)}, but a U-Net takes sides that are multiples of {multiple}; set "
                "preprocessing.resize.height and .width"
            )
        widths = [_WIDTH << level for level in range(_LEVELS)]
        self.down = nn.ModuleList(_block(before, after) for before, after in pairwise([channels, *widths]))
        ups = list(pairwise(reversed(widths)))
        self.up = nn.ModuleList(_block(deep + fine, fine) for deep, fine in ups)
        self.halve, self.enlarge = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.last = nn.Sequential(nn.Conv2d(_WIDTH, channels, 1), nn.Sigmoid())

    def code(self, images: Tensor) -> Tensor:
        """What passes through the bottleneck, (B, 128, H/8, W/8)."""
        return self._seen(images)[-1]

    def forward(self, images: Tensor) -> Tensor:
        *fine, x = self._seen(images)
        for block, beside in zip(self.up, reversed(fine), strict=True):
            x = block(torch.cat([self.enlarge(x), beside], dim=1))
        restored: Tensor = self.last(x)
        return restored

    def _seen(self, images: Tensor) -> list[Tensor]:
        """The image at each level, from fine to coarse."""
        found: list[Tensor] = []
        for block in self.down:
            found.append(block(self.halve(found[-1]) if found else images))
        return found


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.GroupNorm(_GROUPS, after), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers)

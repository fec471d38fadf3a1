"""The encoder and decoder of S2 tables 6.1–6.4: 2×2 convolutions of stride 2 with 32 filters, down to 4×4."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from urushi.errors import RecipeError
from urushi.printable import in_px

FILTERS = 32
BOTTLENECK_PX = 4
LEAK = 0.1

OutputLayer = Annotated[
    Literal["convolution", "transposed"],
    Field(description="last layer of the decoder: a centred 3×3 convolution, or 2×2 transposed as S2 tables 6.2, 6.4"),
]


class SameTransposed(nn.ConvTranspose2d):
    """A transposed 2×2 convolution of stride 1 without its last row and column: `same` as in S2's library."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=2)

    def forward(self, inputs: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(inputs, output_size)[..., :-1, :-1]


def depth(height: int, width: int) -> int:
    """The number of stride-2 layers that take a square side down to 4 px; raises RecipeError for other sizes."""
    if height != width or height not in (32, 64, 128, 256, 512):
        raise RecipeError(
            f"images are {in_px((height, width))}, but this architecture takes 32, 64, 128, 256 or 512 px a side, "
            "square; set preprocessing.resize.height and .width"
        )
    return (height // BOTTLENECK_PX).bit_length() - 1


def encoder(channels: int, n_layers: int, *, batch_norm: bool) -> nn.Sequential:
    """(B, channels, H, H) -> (B, 512): each layer halves the side, then the map is flattened."""
    layers: list[nn.Module] = []
    for i in range(n_layers):
        layers.append(nn.Conv2d(channels if i == 0 else FILTERS, FILTERS, kernel_size=2, stride=2))
        layers += [nn.BatchNorm2d(FILTERS)] if batch_norm else []
        layers.append(nn.LeakyReLU(LEAK))
    return nn.Sequential(*layers, nn.Flatten())


def decoder(
    channels: int, n_layers: int, *, batch_norm: bool, output_layer: OutputLayer = "convolution"
) -> nn.Sequential:
    """(B, 512) -> (B, channels, H, H) in [0, 1]: each layer doubles the side; the last one keeps it.

    The tables give the last layer a stride of 2 and yet the same size before and after, so its stride must be 1. As
    "transposed" it is theirs but for that; it looks half a pixel aside, and "convolution", 3×3, stays centred.
    """
    layers: list[nn.Module] = [nn.Unflatten(1, (FILTERS, BOTTLENECK_PX, BOTTLENECK_PX))]
    for _ in range(n_layers):
        layers.append(nn.ConvTranspose2d(FILTERS, FILTERS, kernel_size=2, stride=2))
        layers += [nn.BatchNorm2d(FILTERS)] if batch_norm else []
        layers.append(nn.ReLU())
    convolution = nn.Conv2d(FILTERS, channels, kernel_size=3, padding=1)
    last = convolution if output_layer == "convolution" else SameTransposed(FILTERS, channels)
    return nn.Sequential(*layers, last, nn.Sigmoid())


FLAT = FILTERS * BOTTLENECK_PX**2

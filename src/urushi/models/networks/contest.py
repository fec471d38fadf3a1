"""Generators, encoders and discriminators of the adversarial family, sized for CPUs (DCGAN; S3)."""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from urushi.errors import RecipeError
from urushi.printable import in_px

Architecture = Annotated[
    Literal["dcgan", "mlp"], Field(description="dcgan: strided convolutions; mlp: fully connected")
]
GradientPenalty = Annotated[
    float,
    Field(
        ge=0,
        le=1000,
        description="weight of ‖∇D‖² at normal images, in place of spectral norm, which 0 is; not of wasserstein_*",
    ),
]
Width = Annotated[int, Field(ge=4, le=256, description="filters of the layer next to the image")]
_SMALLEST_PX = 4
_HIDDEN = 256
_LEAK = 0.2
_SLICES, _SLICE_WIDTH = 16, 8  # minibatch discrimination


def depth(image_shape: tuple[int, int, int]) -> int:
    """How often 4 px are doubled to the side of the image; raises RecipeError unless it is a square of 32 … 256 px."""
    _, height, width = image_shape
    if height != width or height not in (32, 64, 128, 256):
        raise RecipeError(
            f"images are {in_px((height, width))}, but this method takes 32, 64, 128 or 256 px a side, square; set "
            "preprocessing.resize.height and .width"
        )
    return (height // _SMALLEST_PX).bit_length() - 1


def generator(architecture: str, image_shape: tuple[int, int, int], latent_dimension: int, width: int) -> nn.Sequential:
    """(B, J) -> (B, C, H, H) in [0, 1]."""
    channels, height, _ = image_shape
    n_layers = depth(image_shape)
    if architecture == "mlp":
        return nn.Sequential(
            nn.Linear(latent_dimension, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, 2 * _HIDDEN),
            nn.ReLU(),
            nn.Linear(2 * _HIDDEN, channels * height**2),
            nn.Sigmoid(),
            nn.Unflatten(1, image_shape),
        )
    filters = [_filters(width, layer) for layer in reversed(range(n_layers))]
    layers: list[nn.Module] = [
        nn.Linear(latent_dimension, filters[0] * _SMALLEST_PX**2),
        nn.Unflatten(1, (filters[0], _SMALLEST_PX, _SMALLEST_PX)),
        nn.BatchNorm2d(filters[0]),
        nn.ReLU(),
    ]
    for before, after in pairwise(filters):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(filters[-1], channels, 4, 2, 1), nn.Sigmoid())


def features(
    architecture: str, image_shape: tuple[int, int, int], width: int, *, is_bounded: bool
) -> tuple[nn.Sequential, int]:
    """(B, C, H, H) -> (B, J) without batch statistics, and J; `is_bounded`: spectral norm keeps it 1-Lipschitz."""
    channels, height, _ = image_shape
    n_layers = depth(image_shape)
    bounded = spectral_norm if is_bounded else _as_it_is
    if architecture == "mlp":
        first = bounded(nn.Linear(channels * height**2, 2 * _HIDDEN))
        second = bounded(nn.Linear(2 * _HIDDEN, _HIDDEN))
        return nn.Sequential(nn.Flatten(), first, nn.LeakyReLU(_LEAK), second, nn.LeakyReLU(_LEAK)), _HIDDEN
    filters = [channels, *(_filters(width, layer) for layer in range(n_layers))]
    layers: list[nn.Module] = []
    for before, after in pairwise(filters):
        layers += [bounded(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers, nn.Flatten()), filters[-1] * _SMALLEST_PX**2


def bounded_linear(n_inputs: int, n_outputs: int, *, is_bounded: bool) -> nn.Module:
    """A linear layer, with spectral norm where asked for."""
    layer = nn.Linear(n_inputs, n_outputs)
    return spectral_norm(layer) if is_bounded else layer


def hidden_layers(sizes: tuple[int, ...], *, is_bounded: bool) -> nn.Sequential:
    """Linear layers from each size to the next, each with its leak."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [bounded_linear(before, after, is_bounded=is_bounded), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers)


class MinibatchDiscrimination(nn.Module):
    """Tells each image how alike the others of its batch are (Salimans et al. 2016; S1 §2.2.2), (B, J) -> (B, J + 16).

    In evaluation mode nothing is alike: an image's score depends on no other.
    """

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.projection = nn.Linear(n_inputs, _SLICES * _SLICE_WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return torch.cat([x, x.new_zeros(len(x), _SLICES)], dim=1)
        slices = self.projection(x).view(len(x), _SLICES, _SLICE_WIDTH)
        likeness = torch.exp(-(slices[:, None] - slices[None]).abs().sum(dim=3)).sum(dim=1) - 1
        return torch.cat([x, likeness], dim=1)


def _filters(width: int, layer: int) -> int:
    """Doubled from layer to layer, eightfold at most."""
    return width * min(1 << layer, 8)


def _as_it_is(layer: nn.Module) -> nn.Module:
    return layer

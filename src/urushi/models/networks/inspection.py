"""The encoder of S4 table 1, after Bergmann et al. 2018, and its mirror image.

The table is for 128 px: nine convolutions, four of which halve the side down to 8 px, and the last of which spans what
is left. For other sides halving layers are left out at the front, or more of the first kind are put there.
Nothing normalises what comes in between, so weights begin as in He et al. 2015: as PyTorch begins them, a hundred-
millionth of the differences of images arrives at the end, and training stays at the mean image for hundreds of steps.
"""

import math
from typing import NamedTuple

from torch import nn

from urushi.errors import RecipeError
from urushi.printable import in_px

LEAK = 0.2  # the table names no activation; this is Bergmann's
_LAST_PX = 8
_SIDES = (32, 64, 128, 256, 512)


class _Layer(NamedTuple):
    filters: int
    kernel: int
    stride: int


_HALVE = 2
_TABLE = [_Layer(32, 4, 2), _Layer(32, 4, 2), _Layer(32, 3, 1), _Layer(64, 4, 2), _Layer(64, 3, 1)]
_TABLE += [_Layer(128, 4, 2), _Layer(64, 3, 1), _Layer(32, 3, 1)]


def encoder(image_shape: tuple[int, int, int], latent_dimension: int) -> nn.Sequential:
    """(B, C, H, H) -> (B, J)."""
    channels, modules = image_shape[0], []
    for layer in _layers(image_shape):
        convolution = nn.Conv2d(channels, layer.filters, layer.kernel, layer.stride, padding=1)
        modules += [_begun(convolution, channels * layer.kernel**2), nn.LeakyReLU(LEAK)]
        channels = layer.filters
    last = _begun(nn.Conv2d(channels, latent_dimension, _LAST_PX), channels * _LAST_PX**2)
    return nn.Sequential(*modules, last, nn.Flatten())


def decoder(image_shape: tuple[int, int, int], latent_dimension: int) -> nn.Sequential:
    """(B, J) -> (B, C, H, H) in [0, 1]: transposed convolutions in the opposite order."""
    layers = _layers(image_shape)
    outputs = [image_shape[0], *(layer.filters for layer in layers[:-1])]
    modules: list[nn.Module] = [nn.Unflatten(1, (latent_dimension, 1, 1))]
    first = nn.ConvTranspose2d(latent_dimension, layers[-1].filters, _LAST_PX)
    modules += [_begun(first, latent_dimension), nn.LeakyReLU(LEAK)]
    for layer, filters in zip(reversed(layers), reversed(outputs), strict=True):
        transposed = nn.ConvTranspose2d(layer.filters, filters, layer.kernel, layer.stride, padding=1)
        modules += [_begun(transposed, layer.filters * (layer.kernel // layer.stride) ** 2), nn.LeakyReLU(LEAK)]
    return nn.Sequential(*modules[:-1], nn.Sigmoid())


def _begun(layer: nn.Conv2d | nn.ConvTranspose2d, n_inputs: int) -> nn.Module:
    """The layer with weights that keep the variance of what comes in, where each output sees so many inputs."""
    nn.init.normal_(layer.weight, std=math.sqrt(2 / ((1 + LEAK**2) * n_inputs)))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _layers(image_shape: tuple[int, int, int]) -> list[_Layer]:
    _, height, width = image_shape
    if height != width or height not in _SIDES:
        raise RecipeError(
            f"images are {in_px((height, width))}, but this architecture takes {', '.join(map(str, _SIDES))} px a "
            "side, square; set preprocessing.resize.height and .width"
        )
    n_missing = _SIDES.index(height) - _SIDES.index(128)
    return [_TABLE[0]] * n_missing + _TABLE[max(0, -n_missing) :]

"""The encoder of S4 table 1, after Bergmann et al. 2018, and its mirror image.

The table is for 128 px: nine convolutions, four of which halve the side down to 8 px, and the last of which spans what
is left. For other sides halving layers are left out at the front, or more of the first kind are put there.
"""

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
        modules += [nn.Conv2d(channels, layer.filters, layer.kernel, layer.stride, padding=1), nn.LeakyReLU(LEAK)]
        channels = layer.filters
    return nn.Sequential(*modules, nn.Conv2d(channels, latent_dimension, _LAST_PX), nn.Flatten())


def decoder(image_shape: tuple[int, int, int], latent_dimension: int) -> nn.Sequential:
    """(B, J) -> (B, C, H, H) in [0, 1]: transposed convolutions in the opposite order."""
    layers = _layers(image_shape)
    outputs = [image_shape[0], *(layer.filters for layer in layers[:-1])]
    modules: list[nn.Module] = [nn.Unflatten(1, (latent_dimension, 1, 1))]
    modules += [nn.ConvTranspose2d(latent_dimension, layers[-1].filters, _LAST_PX), nn.LeakyReLU(LEAK)]
    for layer, filters in zip(reversed(layers), reversed(outputs), strict=True):
        modules.append(nn.ConvTranspose2d(layer.filters, filters, layer.kernel, layer.stride, padding=1))
        modules.append(nn.LeakyReLU(LEAK))
    return nn.Sequential(*modules[:-1], nn.Sigmoid())


def _layers(image_shape: tuple[int, int, int]) -> list[_Layer]:
    _, height, width = image_shape
    if height != width or height not in _SIDES:
        raise RecipeError(
            f"images are {in_px((height, width))}, but this architecture takes {', '.join(map(str, _SIDES))} px a "
            "side, square; set preprocessing.resize.height and .width"
        )
    n_missing = _SIDES.index(height) - _SIDES.index(128)
    return [_TABLE[0]] * n_missing + _TABLE[max(0, -n_missing) :]

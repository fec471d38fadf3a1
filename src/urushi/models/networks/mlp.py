"""A fully connected autoencoder (S3): every pixel is seen by every unit."""

import math
from itertools import pairwise

from torch import nn

HIDDEN = (512, 128)


def encoder(image_shape: tuple[int, int, int], latent_dimension: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, J)."""
    sides = [math.prod(image_shape), *HIDDEN]
    layers = [layer for a, b in pairwise(sides) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(sides[-1], latent_dimension))


def decoder(image_shape: tuple[int, int, int], latent_dimension: int) -> nn.Sequential:
    """(B, J) -> (B, C, H, W) in [0, 1], the encoder mirrored."""
    sides = [latent_dimension, *reversed(HIDDEN)]
    layers = [layer for a, b in pairwise(sides) for layer in (nn.Linear(a, b), nn.ReLU())]
    last = nn.Linear(sides[-1], math.prod(image_shape))
    return nn.Sequential(*layers, last, nn.Sigmoid(), nn.Unflatten(1, image_shape))

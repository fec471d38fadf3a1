"""Pictures of normal images, to show the most similar one beside an image whose features were compared."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_N_DIRECTIONS = 32  # random ones, onto which features are projected to be compared
_MOST_BYTES = 16 * 2**20  # of pictures in a detector


class PictureMemory(nn.Module):
    """At most `n` normal images of a shape, and their features on a grid, projected onto a few random directions.

    Places are compared each by itself, and their distance counts no more than 1 however far it is, so that a defect
    does not decide which picture is the most similar one: what lies around it does.
    """

    pictures: Tensor
    keys: Tensor
    directions: Tensor
    near: Tensor

    def __init__(self, n: int, image_shape: tuple[int, int, int], n_channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.n = max(1, min(n, _MOST_BYTES // (channels * height * width)))
        self.register_buffer("pictures", torch.zeros(self.n, *image_shape, dtype=torch.uint8))
        self.register_buffer("keys", torch.zeros(math.prod(grid), self.n, _N_DIRECTIONS))
        self.register_buffer("directions", torch.zeros(_N_DIRECTIONS, n_channels))
        self.register_buffer("near", torch.ones(()))  # squared distance that is usual between similar images

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the most similar pictures, (B, C', H, W) float32 in [0, 1]."""
        distances = self._distances(self._keys(features))
        nearest = (distances / (distances + self.near)).mean(dim=0).argmin(dim=1)
        return self.pictures[nearest].float() / 255

    def remember(self, images: Tensor, features: Tensor) -> None:
        """Takes over images (n, C', H, W) in [0, 1] with their features; fewer than there is room for come again."""
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(self.directions.shape, generator=generator) / features.shape[1] ** 0.5
        self.directions.copy_(directions)
        again = torch.arange(self.n, device=images.device) % len(images)
        self.pictures.copy_((images[again] * 255).round())
        keys = self._keys(features)
        self.keys.copy_(keys[:, again])
        self.near.copy_(self._usual(keys))

    def _usual(self, keys: Tensor) -> Tensor:
        """Twice the median over places of the squared distance to the most similar other picture."""
        n = keys.shape[1]
        if n < 2:
            return self.near
        nearest = []
        for number in range(n):
            others = torch.arange(n, device=keys.device) != number
            nearest.append((keys[:, [number]] - keys[:, others]).square().sum(dim=2).amin(dim=1))
        return 2 * torch.stack(nearest).median().clamp_min(1e-6)

    def _keys(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (h·w, B, directions)."""
        return F.conv2d(features, self.directions[:, :, None, None]).flatten(2).permute(2, 0, 1)

    def _distances(self, keys: Tensor) -> Tensor:
        """Squared, of each place to the same place of each picture: (h·w, B, n)."""
        products = keys @ self.keys.transpose(1, 2)
        own, theirs = keys.square().sum(dim=2), self.keys.square().sum(dim=2)
        return (own[:, :, None] + theirs[:, None] - 2 * products).clamp_min(0)

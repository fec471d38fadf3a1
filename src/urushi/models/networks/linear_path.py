"""Principal components of pixels as a path beside the networks of a method, which then learn what these leave."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.models.networks.principal_directions import learn_directions

LinearPathOption = Annotated[
    bool,
    Field(
        description="principal components of pixels beside encoder and decoder: learnt first, so that the networks "
        "start from what rebuilds best among all linear codes and learn what it leaves"
    ),
]
_MOST_IMAGES = 1024  # that the components are learnt from
_LEAST = 0.02  # of the largest deviation: along what hardly varies, a code of new images would have no bounds


class NoPath(nn.Module):
    """The networks alone."""

    def learn(self, batches: Iterable[Tensor]) -> None:
        """Nothing."""

    def code(self, images: Tensor, found: Tensor) -> Tensor:  # noqa: ARG002
        """What the encoder has found."""
        return found

    def image(self, z: Tensor, made: Tensor) -> Tensor:  # noqa: ARG002
        """What the decoder has made."""
        return made

    def log_variance(self, weight: float) -> Tensor | float:  # noqa: ARG002
        """Nothing to add."""
        return 0.0


class LinearPath(NoPath):
    """Codes whose numbers have mean 0 and deviation 1 on normal images, and the images that they stand for.

    An encoder adds to the code and a decoder to the image. Both start as nothing: their last layers are set to zero.
    """

    mean: Tensor
    directions: Tensor
    deviations: Tensor

    def __init__(self, image_shape: tuple[int, int, int], n_components: int) -> None:
        super().__init__()
        n_values = torch.Size(image_shape).numel()
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("directions", torch.zeros(n_components, n_values))
        self.register_buffer("deviations", torch.ones(n_components))

    @torch.no_grad()
    def learn(self, batches: Iterable[Tensor]) -> None:
        """From at most 1,024 images, evenly spread over batches (B, C, H, W); raises DatasetError."""
        images = torch.cat([batch.flatten(1) for batch in batches])
        images = images[:: -(-len(images) // _MOST_IMAGES)]
        learn_directions(self.mean, self.directions, images, method="a linear path")
        found = ((images - self.mean) @ self.directions.T).std(dim=0)
        self.deviations.copy_(found.clamp_min(_LEAST * found.max().clamp_min(1e-6)))

    def code(self, images: Tensor, found: Tensor) -> Tensor:
        """(B, C, H, W), and what an encoder adds, (B, J) -> (B, J)."""
        return (images.flatten(1) - self.mean) @ self.directions.T / self.deviations + found

    def image(self, z: Tensor, made: Tensor) -> Tensor:
        """(B, J), and what a decoder adds, (B, C, H, W) in [0, 1], where 0.5 is nothing -> images in [0, 1]."""
        straight = self.mean + (z * self.deviations) @ self.directions
        return (straight.reshape(made.shape) + 2 * made - 1).clamp(0, 1)

    def log_variance(self, weight: float) -> Tensor:
        """Of the posterior (J,) with the least squared error, summed, + weight · divergence while nothing is added."""
        return -torch.log1p(2 * self.deviations.square() / max(weight, 1e-6))


def path_beside(is_wanted: bool, image_shape: tuple[int, int, int], n_components: int, *adding: nn.Module) -> NoPath:
    """The path of a method, and the networks that add to it made to add nothing at first."""
    if not is_wanted:
        return NoPath()
    for network in adding:
        last = [module for module in network.modules() if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)][-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
    return LinearPath(image_shape, n_components)

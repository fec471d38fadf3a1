"""Principal components of pixels (eigenimages: Sirovich and Kirby 1987; Turk and Pentland 1991): the yardstick."""

import math
from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Reconstructor, Statistics, summed
from urushi.models.networks.principal_directions import learn_directions
from urushi.printable import in_px

MOST_VALUES = 2**18  # of an image: with 32 components, weights of 32 MiB
_MOST_KEPT = 2**14  # of an image that the file keeps to go on learning, 64 KiB


class PixelPca(Reconstructor):
    """Rebuilds an image by the mean of normal ones and the directions in which they vary most, pixel by pixel.

    No other linear code of that length rebuilds normal images with less squared error. It learns in seconds, and what
    is trained for minutes ought to rebuild better: a fit of such a method warns where it does not. It can learn on
    where images have at most 16,384 values, 128 × 128 px of grey: sums of products of pixels would be larger than the
    images themselves, which the file then keeps.
    """

    is_closed_form = True
    mean: Tensor
    directions: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        n_components: Annotated[int, Field(ge=1, le=512, description="directions that are kept")] = 32,
    ) -> None:
        super().__init__(image_shape)
        n_values = math.prod(image_shape)
        if n_values > MOST_VALUES:
            raise RecipeError(
                f"images are {in_px(image_shape[1:])} with {image_shape[0]} channels, {n_values:,} values, but "
                f"pixel_pca takes at most {MOST_VALUES:,}; set preprocessing.resize.height and .width"
            )
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("directions", torch.zeros(n_components, n_values))

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        rebuilt = self.mean + self.latents(inputs) @ self.directions
        return Reconstruction(inputs, rebuilt.clamp(0, 1).reshape(inputs.shape))

    def latents(self, inputs: Tensor) -> Tensor:
        """How far an image goes from the mean in each direction, (B, n_components)."""
        return (inputs.flatten(1) - self.mean) @ self.directions.T

    def errors(self, images: Tensor) -> Tensor:
        """The mean squared error of each image, (B, C, H, W) -> (B,)."""
        pair = self.reconstruct(images)
        return (pair.original - pair.reconstruction).square().flatten(1).mean(dim=1)

    @property
    def is_additive(self) -> bool:  # type: ignore[override]
        """As long as images are small enough to be kept."""
        return len(self.mean) <= _MOST_KEPT

    def fit(self, batches: Iterable[Tensor]) -> None:
        self.learn(*summed(self, batches))

    def statistics(self, inputs: Tensor) -> Statistics:  # noqa: ARG002
        """None: there are more values than images, so that the images themselves are less than sums of products."""
        return ()

    def descriptors(self, inputs: Tensor) -> Tensor:
        """The image itself."""
        return inputs.flatten(1)

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:  # noqa: ARG002
        learn_directions(self.mean, self.directions, descriptors, method="pixel_pca")

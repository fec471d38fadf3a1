"""Deep feature modelling (Ahuja et al. 2019; Ndiour et al. 2020): a PCA of one feature vector for each image."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from urushi.errors import RecipeError
from urushi.models._frozen_features import BlocksOption, NetworkOption, PicturesOption, WeightsOption, mean_of_worst
from urushi.models._joined_features import JoinedFeatures
from urushi.models.base import Reconstruction, Statistics
from urushi.models.networks.principal_directions import learn_directions
from urushi.printable import in_px

_MOST_DIRECTIONS = 256


class Dfm(JoinedFeatures):
    """Pools the features of an image, places and channels as one vector, and rebuilds it by principal components.

    At most 256 of them are kept: images span no more, unless there are more images.
    """

    is_closed_form = True
    is_additive = True
    mean: Tensor
    directions: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        backbone: NetworkOption = "efficientnet_lite0",
        backbone_weights: WeightsOption = "inside",
        blocks: BlocksOption = None,
        stride: Annotated[Literal[32, 64, 128], Field(description="px of the image per cell, pooled by averages")] = 64,
        variance: Annotated[float, Field(gt=0, le=1, description="share of the variance that is kept")] = 0.97,
        pictures: PicturesOption = 64,
    ) -> None:
        super().__init__(image_shape, backbone, backbone_weights, blocks, stride, (), None, pictures)
        if min(image_shape[1:]) < stride:
            raise RecipeError(
                f"images are {in_px(image_shape[1:])}, but dfm pools squares of {stride} px; "
                "set model.stride or preprocessing.resize.height and .width"
            )
        self.variance, n_values = variance, self.n_channels * math.prod(self.grid)
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("directions", torch.zeros(_MOST_DIRECTIONS, n_values))

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        difference = inputs.flatten(1) - self.mean
        rebuilt = self.mean + (difference @ self.directions.T) @ self.directions
        return Reconstruction(inputs, rebuilt.reshape(inputs.shape))

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs, (B, C)."""
        pair = self.reconstruct(inputs)
        return mean_of_worst(pair.original - pair.reconstruction)

    def statistics(self, inputs: Tensor) -> Statistics:  # noqa: ARG002
        """None: there are more values than images, so that the images themselves are less than sums of products."""
        return ()

    def descriptors(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:  # noqa: ARG002
        learn_directions(self.mean, self.directions, descriptors, self.variance, method="dfm")

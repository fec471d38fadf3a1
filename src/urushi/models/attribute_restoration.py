"""Attribute restoration (ARNet, Huang et al. 2019; reference method of S5): orientation and colour are to be found."""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Adam, Optimizer

from urushi.errors import RecipeError, TrainingError
from urushi.models.base import Reconstruction, Reconstructor
from urushi.models.networks import autoencoders
from urushi.models.networks.autoencoders import Architecture, LatentDimension
from urushi.printable import in_px

Erased = Literal["orientation", "colour", "both"]


class AttributeRestoration(Reconstructor):
    """The network gets images without an attribute and has to give them back with it, which takes knowing the part.

    Orientation is erased by a quarter turn drawn at random, colour by averaging over channels. A new image is restored
    from all four quarter turns, and the mean is its reconstruction. Trained on the absolute error, as the paper.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        erased: Annotated[Erased, Field(description="what the network does not get to see")] = "orientation",
        architecture: Architecture = "inspection",
        latent_dimension: LatentDimension = 64,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        channels, height, width = image_shape
        if height != width:
            raise RecipeError(
                f"images are {in_px((height, width))}, but what is turned must be square; set both of resize"
            )
        if erased != "orientation" and channels == 1:
            raise RecipeError("grey images have no colour to erase; take erased = 'orientation'")
        self.turns = (0, 1, 2, 3) if erased != "colour" else (0,)
        self.is_grey, self.learning_rate = erased != "orientation", learning_rate
        self.needs_pairs = architecture == "strided"  # its batch normalisation
        self.encoder, self.decoder = autoencoders.build(architecture, image_shape, latent_dimension)

    def latents(self, inputs: Tensor) -> Tensor:
        """The code of the image as it comes, (B, C, H, W) -> (B, J)."""
        z: Tensor = self.encoder(self._erased(inputs, 0))
        return z

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        restored = [self.decoder(self.encoder(self._erased(inputs, turn))) for turn in self.turns]
        return Reconstruction(inputs, torch.stack(restored).mean(dim=0), self.latents(inputs))

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.needs_pairs and self.training and len(inputs) < 2:
            raise TrainingError("batch normalisation takes at least 2 images per step: raise training.batch_size")
        drawn = torch.randint(len(self.turns), (len(inputs),)).tolist()
        erased = torch.cat([self._erased(image[None], turn) for image, turn in zip(inputs, drawn, strict=True)])
        yield "autoencoder", (self.decoder(self.encoder(erased)) - inputs).abs().mean()

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """Of the restoration that is used, from all turns."""
        return (self.reconstruct(inputs).reconstruction - inputs).abs().mean()

    def optimizers(self) -> dict[str, Optimizer]:
        return {"autoencoder": Adam(self.parameters(), lr=self.learning_rate)}

    def _erased(self, images: Tensor, turn: int) -> Tensor:
        seen = images.mean(dim=1, keepdim=True).expand_as(images) if self.is_grey else images
        return seen if turn == 0 else torch.rot90(seen, turn, (2, 3))

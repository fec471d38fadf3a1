"""Attribute restoration (ARNet, Huang et al. 2019; reference method of S5): orientation and colour are to be found."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Adam, Optimizer

from urushi.errors import RecipeError, TrainingError
from urushi.models.base import Extra, Reconstruction, Reconstructor
from urushi.models.networks import autoencoders
from urushi.models.networks.autoencoders import LatentDimension
from urushi.models.networks.unet import UNet
from urushi.printable import in_px

Erased = Literal["orientation", "colour", "both"]
Architecture = Annotated[
    Literal["unet", "inspection", "strided", "mlp"],
    Field(description="unet: as the paper; others squeeze images through latent_dimension numbers"),
]
_LEAST_ERROR = 1e-4  # of an operation, so that one that is undone without any is not blown up


class AttributeRestoration(Reconstructor):
    """The network gets images without an attribute and has to give them back with it, which takes knowing the part.

    Orientation is erased by a quarter turn drawn at random, colour by averaging over channels. A new image is restored
    from all four quarter turns. Trained on the absolute error, as the paper. Its critique of a place, for the score
    `adversarial`, is the mean of these errors; of the U-Net, each is divided first by what it is on the good images
    that stop the training, as in the paper: some turns are harder to undo. What is shown is the mean restoration.
    """

    opinions = frozenset[Extra]({"critique"})

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
        channels, height, img_width = image_shape
        if height != img_width:
            raise RecipeError(
                f"images are {in_px((height, img_width))}, but what is turned must be square; set both of resize"
            )
        if erased != "orientation" and channels == 1:
            raise RecipeError("grey images have no colour to erase; take erased = 'orientation'")
        self.turns = (0, 1, 2, 3) if erased != "colour" else (0,)
        self.is_grey, self.learning_rate = erased != "orientation", learning_rate
        self.needs_pairs = architecture == "strided"  # its batch normalisation
        self.unet = UNet(image_shape) if architecture == "unet" else None
        if architecture != "unet":
            self.encoder, self.decoder = autoencoders.build(architecture, image_shape, latent_dimension)
        if self.unet is not None:
            self.register_buffer("summed_errors", torch.zeros(len(self.turns)))
            self.register_buffer("n_seen", torch.zeros(()))

    summed_errors: Tensor
    n_seen: Tensor

    def latents(self, inputs: Tensor) -> Tensor:
        """The code of the image as it comes, (B, C, H, W) -> (B, J), or a map of a U-Net."""
        code: Any = self.encoder if self.unet is None else self.unet.code
        z: Tensor = code(self._erased(inputs, 0))
        return z

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        restored = self._restored(inputs)
        errors = (restored - inputs).abs().mean(dim=2, keepdim=True)  # (turns, B, 1, H, W)
        critique = (errors / self._usual_errors(errors)).mean(dim=0)
        return Reconstruction(inputs, restored.mean(dim=0), self.latents(inputs), critique)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.needs_pairs and self.training and len(inputs) < 2:
            raise TrainingError("batch normalisation takes at least 2 images per step: raise training.batch_size")
        drawn = torch.randint(len(self.turns), (len(inputs),)).tolist()
        erased = torch.cat([self._erased(image[None], turn) for image, turn in zip(inputs, drawn, strict=True)])
        yield "autoencoder", (self._network(erased) - inputs).abs().mean()

    def settle(self) -> None:
        """What errors are usual is learnt anew from the next validation images."""
        if self.unet is not None:
            self.summed_errors.zero_()
            self.n_seen.zero_()

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """Of the restoration that is shown, or of the U-Net of each turn by itself, as its errors count."""
        restored = self._restored(inputs)
        if self.unet is None:
            return (restored.mean(dim=0) - inputs).abs().mean()
        errors = (restored - inputs).abs().flatten(2).mean(dim=2)
        self.summed_errors += errors.detach().sum(dim=1)
        self.n_seen += len(inputs)
        return errors.mean()

    def optimizers(self) -> dict[str, Optimizer]:
        return {"autoencoder": Adam(self.parameters(), lr=self.learning_rate)}

    def _usual_errors(self, like: Tensor) -> Tensor:
        """The mean absolute error of each turn on good images, (turns, 1, 1, 1, 1); 1 while it is not known."""
        if self.unet is None:
            return like.new_ones(())
        usual = (self.summed_errors / self.n_seen.clamp_min(1)).clamp_min(_LEAST_ERROR)
        return torch.where(self.n_seen > 0, usual, torch.ones_like(usual)).view(-1, 1, 1, 1, 1)

    def _restored(self, inputs: Tensor) -> Tensor:
        """From each turn, (turns, B, C, H, W)."""
        return torch.stack([self._network(self._erased(inputs, turn)) for turn in self.turns])

    def _network(self, erased: Tensor) -> Tensor:
        restored: Tensor = self.decoder(self.encoder(erased)) if self.unet is None else self.unet(erased)
        return restored

    def _erased(self, images: Tensor, turn: int) -> Tensor:
        seen = images.mean(dim=1, keepdim=True).expand_as(images) if self.is_grey else images
        return seen if turn == 0 else torch.rot90(seen, turn, (2, 3))

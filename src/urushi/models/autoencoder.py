"""Autoencoder (S2 §6.1.2; S3; S4 §2): squeezes an image through J numbers and unfolds it."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.optim import Adam, Optimizer

from urushi.errors import TrainingError
from urushi.losses import parts
from urushi.losses.parts import CorruptionOption, LossOption, RegulariserOption
from urushi.models.base import Reconstruction, Reconstructor
from urushi.models.networks import autoencoders
from urushi.models.networks.autoencoders import Architecture, LatentDimension
from urushi.models.networks.linear_path import LinearPathOption, path_beside
from urushi.models.networks.strided import OutputLayer


class Autoencoder(Reconstructor):
    """Trained to repeat normal images; what it has never seen, it cannot repeat.

    Its parts compose: an architecture, a reconstruction loss, a regulariser of the latent code, and a corruption of
    what it gets to see while training, which makes it a denoising autoencoder (S4 eqs 1, 2 and 4).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        architecture: Architecture = "strided",
        latent_dimension: LatentDimension = 64,
        output_layer: OutputLayer = "convolution",
        linear_path: LinearPathOption = False,
        loss: LossOption = parts.MSE,
        regulariser: RegulariserOption = None,
        corruption: CorruptionOption = None,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        self.learning_rate = learning_rate
        self.encoder, self.decoder = autoencoders.build(architecture, image_shape, latent_dimension, output_layer)
        self.path = path_beside(linear_path, image_shape, latent_dimension, self.encoder, self.decoder)
        self.needs_pairs = architecture == "strided"  # its batch normalisation
        self.loss, self.regulariser = parts.build_loss(loss), parts.build_regulariser(regulariser)
        self.corruption = parts.build_corruption(corruption)

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, J)."""
        return self.path.code(inputs, self.encoder(inputs))

    def decode(self, z: Tensor) -> Tensor:
        """(B, J) -> (B, C, H, W) in [0, 1]."""
        return self.path.image(z, self.decoder(z))

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        self.path.learn(batches)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        return Reconstruction(inputs, self.decode(z), z)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.needs_pairs and self.training and len(inputs) < 2:
            raise TrainingError(
                "the autoencoder's batch normalisation takes at least 2 images per step: raise training.batch_size, or "
                "give more good images"
            )
        seen, weights = self.corruption(inputs) if self.corruption else (inputs, None)
        z = self.latents(seen)
        loss = self.loss(self.decode(z), inputs, weights, self.latents)
        yield "autoencoder", loss + self.regulariser(z, seen, self.latents) if self.regulariser else loss

    def optimizers(self) -> dict[str, Optimizer]:
        return {"autoencoder": Adam(self.parameters(), lr=self.learning_rate)}

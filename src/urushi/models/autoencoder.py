"""Convolutional autoencoder (S2 §6.1.2, tables 6.3 and 6.4): squeezes an image through J numbers and unfolds it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from urushi.errors import TrainingError
from urushi.models.base import Reconstruction, Reconstructor
from urushi.models.networks import strided


class Autoencoder(Reconstructor):
    """Trained to repeat normal images; what it has never seen, it cannot repeat."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        architecture: Annotated[Literal["strided"], Field(description="strided: S2 tables 6.3 and 6.4")] = "strided",
        latent_dimension: Annotated[int, Field(ge=1, le=4096, description="J, the size of the bottleneck")] = 64,
        loss: Annotated[Literal["mse"], Field(description="mse: mean squared error, S2 eq. 6.1")] = "mse",
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        self.learning_rate = learning_rate
        self.loss = _LOSSES[loss]
        self.encoder, self.decoder = _ARCHITECTURES[architecture](image_shape, latent_dimension)

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, J)."""
        z: Tensor = self.encoder(inputs)
        return z

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        return Reconstruction(inputs, self.decoder(self.latents(inputs)))

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.training and len(inputs) < 2:
            raise TrainingError(
                "the autoencoder's batch normalisation takes at least 2 images per step: raise training.batch_size, or "
                "give more good images"
            )
        yield "autoencoder", self.loss(self.reconstruct(inputs).reconstruction, inputs)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"autoencoder": Adam(self.parameters(), lr=self.learning_rate)}


def _strided(image_shape: tuple[int, int, int], latent_dimension: int) -> tuple[nn.Module, nn.Module]:
    channels, height, width = image_shape
    n_layers = strided.depth(height, width)
    encoder = nn.Sequential(
        strided.encoder(channels, n_layers, batch_norm=True),
        nn.Linear(strided.FLAT, latent_dimension),
        nn.LeakyReLU(strided.LEAK),
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dimension, strided.FLAT),
        nn.BatchNorm1d(strided.FLAT),
        nn.ReLU(),
        strided.decoder(channels, n_layers, batch_norm=True),
    )
    return encoder, decoder


_ARCHITECTURES = {"strided": _strided}
_LOSSES = {"mse": F.mse_loss}

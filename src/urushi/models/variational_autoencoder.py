"""Convolutional variational autoencoder (S2 §6.1.1, tables 6.1, 6.2): an autoencoder with latents near N(0, I)."""

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from urushi.losses import parts
from urushi.losses.parts import LossOption
from urushi.models.base import Generative, Reconstruction, require_size
from urushi.models.networks import strided
from urushi.models.networks.linear_path import LinearPathOption, path_beside
from urushi.models.networks.strided import OutputLayer

_HIDDEN = 200


class VariationalAutoencoder(Generative):
    """Rebuilds from the mean of the posterior q(z|x); sampling from it is for training only.

    The reconstruction term is the squared error, or another loss (S2 §7.2.3: SSIM), summed over an image's pixels and
    channels and averaged over the batch. S2 eq. 6.2 writes (1/N)Σ, where N is the number of pixels (eq. 4.1): that is
    reduction = "mean". With β = 1 the divergence then outweighs it by four orders, and the posterior collapses; it is
    the same as the sum with β = N.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dimension: Annotated[int, Field(ge=1, le=4096, description="J, the size of the bottleneck")] = 64,
        output_layer: OutputLayer = "convolution",
        linear_path: LinearPathOption = False,
        loss: LossOption = parts.MSE,
        reduction: Annotated[
            Literal["sum", "mean"], Field(description="of the loss over an image's pixels; S2 eq. 6.2 writes a mean")
        ] = "sum",
        beta: Annotated[float, Field(ge=0, description="weight of the divergence; 1 is S2, others a β-VAE")] = 1.0,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        channels, height, width = image_shape
        n_layers = strided.depth(height, width)
        self.loss, self.loss_weight = parts.build_loss(loss), math.prod(image_shape) if reduction == "sum" else 1
        self.beta, self.learning_rate, self.latent_dimension = beta, learning_rate, latent_dimension
        self.encoder = nn.Sequential(
            strided.encoder(channels, n_layers, batch_norm=False),
            nn.Linear(strided.FLAT, _HIDDEN),
            nn.LeakyReLU(strided.LEAK),
        )
        self.mean = nn.Linear(_HIDDEN, latent_dimension)
        self.log_variance = nn.Linear(_HIDDEN, latent_dimension)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dimension, strided.FLAT),
            nn.Tanh(),
            strided.decoder(channels, n_layers, batch_norm=False, output_layer=output_layer),
        )
        adding = (self.mean, self.log_variance, self.decoder)
        self.path = path_beside(linear_path, image_shape, latent_dimension, *adding)
        self.linear_weight = beta * math.prod(image_shape) / self.loss_weight  # of the divergence beside a sum

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> the posterior's mean μ, (B, J)."""
        return self.path.code(inputs, self.mean(self.encoder(inputs)))

    def _posterior(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Its mean and the logarithm of its variance, (B, J) each."""
        hidden = self.encoder(inputs)
        log_variance = self.log_variance(hidden) + self.path.log_variance(self.linear_weight)
        return self.path.code(inputs, self.mean(hidden)), log_variance

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        return Reconstruction(inputs, self.generate(z), z)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        mean, log_variance = self._posterior(inputs)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        error = self.loss_weight * self.loss(self.generate(z), inputs, None, self.latents)
        yield "autoencoder", error + self.beta * kl_divergence(mean, log_variance).mean()

    def divergence(self, inputs: Tensor) -> Tensor:
        """KL(q(z|x) ‖ N(0, I)) in nats, (B, C, H, W) -> (B,); near zero for every image means a collapsed posterior."""
        return kl_divergence(*self._posterior(inputs))

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        self.path.learn(batches)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"autoencoder": Adam(self.parameters(), lr=self.learning_rate)}

    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        require_size(self.image_shape, height_px, width_px)
        return (self.latent_dimension,)

    def generate(self, z: Tensor) -> Tensor:
        return self.path.image(z, self.decoder(z))


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """−½ Σ_j (1 + log σ² − μ² − σ²), in nats per image: (B, J), (B, J) -> (B,) (S2 eq. 6.2, second term)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)

"""Adversarial autoencoder (S4 §2; Makhzani et al. 2016): a discriminator keeps the latent code like N(0, I)."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from urushi.errors import TrainingError
from urushi.losses import parts
from urushi.losses.parts import LossOption
from urushi.models.base import Generative, Reconstruction, require_size
from urushi.models.networks import autoencoders
from urushi.models.networks.autoencoders import Architecture, LatentDimension

_HIDDEN = 128


class AdversarialAutoencoder(Generative):
    """In turn it learns to rebuild from codes that look like draws of the prior, and to tell codes from draws.

    Rebuilding and fooling are one loss: as steps of their own, Adam would give both the same size, whatever the weight.
    Batch normalisation (`strided`) and the contest disturb each other; the other architectures have none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        architecture: Architecture = "inspection",
        latent_dimension: LatentDimension = 32,
        loss: LossOption = parts.MSE,
        adversarial_weight: Annotated[
            float, Field(ge=0, description="of fooling the discriminator beside rebuilding")
        ] = 0.01,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam, for both phases")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        self.latent_dimension, self.adversarial_weight = latent_dimension, adversarial_weight
        self.learning_rate, self.loss = learning_rate, parts.build_loss(loss)
        self.needs_pairs = architecture == "strided"  # its batch normalisation
        self.encoder, self.decoder = autoencoders.build(architecture, image_shape, latent_dimension)
        self.discriminator = nn.Sequential(
            nn.Linear(latent_dimension, _HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(_HIDDEN, 1),
        )

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, J)."""
        z: Tensor = self.encoder(inputs)
        return z

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        return Reconstruction(inputs, self.decoder(z), z)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.needs_pairs and self.training and len(inputs) < 2:
            raise TrainingError("batch normalisation takes at least 2 images per step: raise training.batch_size")
        z = self.latents(inputs)
        rebuilding = self.loss(self.decoder(z), inputs, None, self.latents)
        yield "autoencoder", rebuilding + self.adversarial_weight * _called(self.discriminator(z), is_drawn=True)
        drawn, made = self.discriminator(self._prior(len(inputs))), self.discriminator(z.detach())
        yield "discriminator", _called(drawn, is_drawn=True) + _called(made, is_drawn=False)

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """The rebuilding alone: the rest is a contest, in which neither loss tells how far training is."""
        return self.loss(self.decoder(self.latents(inputs)), inputs, None, self.latents)

    def optimizers(self) -> dict[str, Optimizer]:
        rebuilding = [*self.encoder.parameters(), *self.decoder.parameters()]
        groups = {"autoencoder": rebuilding, "discriminator": list(self.discriminator.parameters())}
        return {name: Adam(group, lr=self.learning_rate) for name, group in groups.items()}

    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        require_size(self.image_shape, height_px, width_px)
        return (self.latent_dimension,)

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.decoder(z)
        return images

    def _prior(self, n: int) -> Tensor:
        return torch.randn(n, self.latent_dimension, device=next(self.parameters()).device)


def _called(logits: Tensor, *, is_drawn: bool) -> Tensor:
    """How wrong it is to call codes made or drawn, in nats."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_drawn)))

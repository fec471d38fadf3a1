"""Bidirectional GAN (S3; Donahue et al., Dumoulin et al. 2017): an encoder joins the contest, and images come back."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.losses import adversarial
from urushi.models._bidirectional import Bidirectional
from urushi.models.base import Extra, Reconstruction, require_size
from urushi.models.networks import contest
from urushi.models.networks.averaging import settle
from urushi.models.networks.collapse import contest_measurements
from urushi.models.networks.contest import Architecture, GradientPenalty, Width
from urushi.models.networks.linear_path import LinearPathOption, path_beside

_SETTLING_BATCHES, _SETTLING_IMAGES = 8, 64  # of noise, for batch statistics of averaged weights
_HIDDEN = 128
_CONTEST: adversarial.Contest = "non_saturating"


class Bigan(Bidirectional):
    """The discriminator sees pairs of image and code, (s, E(s)) or (G(z), z), and has to tell which is which.

    Where it cannot, E and G undo each other. S3 names as a limit that nothing promotes good reconstructions, which
    takes more images and steps than a CPU has; `reconstruction_weight` does, and 0 is the source's method. Moving
    averages of E and G are used after training.
    """

    opinions = frozenset[Extra]({"critique", "perceived"})

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        architecture: Architecture = "dcgan",
        latent_dimension: Annotated[int, Field(ge=1, le=1024, description="J, of the code")] = 32,
        width: Width = 16,
        linear_path: LinearPathOption = False,
        gradient_penalty: GradientPenalty = 0.0,
        joint_layers: Annotated[
            int, Field(ge=1, le=4, description="that see image and code together; above 1 the code has one alone first")
        ] = 1,
        reconstruction_weight: Annotated[
            float, Field(ge=0, description="of the squared errors of G(E(s)) and of E(G(z)); 0 is the source")
        ] = 10.0,
        averaging: Annotated[float, Field(ge=0, lt=1, description="share of the average that a step keeps")] = 0.98,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam for E and G")] = 4e-4,
    ) -> None:
        super().__init__(image_shape)
        self.latent_dimension, self.learning_rate = latent_dimension, learning_rate
        self.reconstruction_weight = reconstruction_weight
        backbone, n_features = contest.features(architecture, image_shape, width, is_bounded=False)
        self.encoder = nn.Sequential(backbone, nn.Linear(n_features, latent_dimension))
        self.generator = contest.generator(architecture, image_shape, latent_dimension, width)
        self.path = path_beside(linear_path, image_shape, latent_dimension, self.encoder, self.generator)
        self.averages = self.averages_of_both(averaging)
        is_bounded = not gradient_penalty
        self.gradient_penalty = gradient_penalty
        self.features, n_features = contest.features(architecture, image_shape, width, is_bounded=is_bounded)
        self.of_code: nn.Module = nn.Identity()
        if joint_layers > 1:
            self.of_code = contest.hidden_layers((latent_dimension, n_features), is_bounded=is_bounded)
        n_inputs = n_features + (latent_dimension if joint_layers == 1 else n_features)
        self.joined = contest.hidden_layers((n_inputs, *[_HIDDEN] * joint_layers), is_bounded=is_bounded)
        self.head = contest.bounded_linear(_HIDDEN, 1, is_bounded=is_bounded)

    def perceive(self, images: Tensor, z: Tensor) -> Tensor:
        """f(D(s, z)): what the discriminator makes of pairs before it decides, (B, 128)."""
        found: Tensor = self.joined(torch.cat([self.features(images), self.of_code(z)], dim=1))
        return found

    def discriminate(self, images: Tensor, z: Tensor) -> Tensor:
        """Raw outputs (B, 1); high for pairs of a normal image and its code."""
        found: Tensor = self.head(self.perceive(images, z))
        return found

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        z, noise = self.code(self.encoder, inputs), self._noise(len(inputs))
        made = self.image(self.generator, noise)
        outputs = self.discriminate(inputs, z.detach()), self.discriminate(made.detach(), noise)
        yield "discriminator", adversarial.discriminator_loss(_CONTEST, *outputs) + self._penalty(inputs, z)
        fooling = adversarial.generator_loss(_CONTEST, self.discriminate(made, noise))
        fooling = fooling + adversarial.generator_loss(_CONTEST, -self.discriminate(inputs, z))  # labels changed round
        yield "encoder_generator", fooling + self.reconstruction_weight * self._cycles(inputs, z, made, noise)
        self.move_averages()

    def _cycles(self, inputs: Tensor, z: Tensor, made: Tensor, noise: Tensor) -> Tensor:
        """‖G(E(s)) − s‖² and a tenth of ‖E(G(z)) − z‖², means."""
        of_images = (self.image(self.generator, z) - inputs).square().mean()
        return of_images + 0.1 * (self.code(self.encoder, made) - noise).square().mean()

    def code(self, encoder: nn.Module, images: Tensor) -> Tensor:
        return self.path.code(images, encoder(images))

    def image(self, generator: nn.Module, z: Tensor) -> Tensor:
        return self.path.image(z, generator(z))

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        self.path.learn(batches)

    def _penalty(self, images: Tensor, z: Tensor) -> Tensor:
        if not (self.gradient_penalty and self.training):
            return images.new_zeros(())
        return self.gradient_penalty * adversarial.real_gradient_penalty(self.discriminate, images, z)

    def settle(self) -> None:
        settle(self.averages["generator"], (self._noise(_SETTLING_IMAGES) for _ in range(_SETTLING_BATCHES)))

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:
        noise = self._noise(len(inputs))
        made, z = self.generate(noise), self.latents(inputs)
        outputs = self.discriminate(inputs, z), self.discriminate(made, noise)
        found = contest_measurements(inputs, made, adversarial.accuracy(_CONTEST, *outputs))
        lengths = {"code_length": z.square().mean().sqrt()}  # of codes over the prior's: 1 where they reach it
        return found | {"code_error": (self.latents(made) - noise).square().mean()} | lengths

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        rebuilt = self.generate(z)
        seen = self.perceive(inputs, z)
        critique = adversarial.critique(_CONTEST, self.head(seen))[:, :, None, None]
        return Reconstruction(inputs, rebuilt, z, critique, (seen - self.perceive(rebuilt, z)).norm(dim=1))

    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        require_size(self.image_shape, height_px, width_px)
        return (self.latent_dimension,)

    def _noise(self, n: int) -> Tensor:
        return torch.randn(n, self.latent_dimension, device=next(self.parameters()).device)

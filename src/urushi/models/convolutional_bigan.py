"""Fully convolutional BiGAN (S3, "Fully Convolutional Anomaly Detection by GANs"): patches in, maps of any size out."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from urushi.errors import InputError, RecipeError
from urushi.losses import adversarial
from urushi.models._bidirectional import Bidirectional
from urushi.models.base import Extra, Reconstruction
from urushi.models.networks.collapse import contest_measurements
from urushi.models.networks.contest import GradientPenalty, Width
from urushi.printable import in_px

STRIDE = 8  # px of the image per cell of the latent map
_LEAK = 0.2
_CONTEST: adversarial.Contest = "least_squares"


class ConvolutionalBigan(Bidirectional):
    """Every layer is convolutional and z is a map at 1/8 of the resolution; least-squares losses.

    Its map comes from the score `adversarial`: α(D(s, E(s)) − 1)² + (1 − α)‖G(E(s)) − s‖². Trained on the tiles of
    `[tiling]`, with `one_pass = true` it inspects images of any size at once. The source's z has 128 channels; 32 serve
    a CPU.
    """

    opinions = frozenset[Extra]({"critique"})
    stride_px = STRIDE

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_channels: Annotated[int, Field(ge=1, le=512, description="of the latent map")] = 32,
        width: Width = 16,
        gradient_penalty: GradientPenalty = 0.0,
        joint_layers: Annotated[
            int, Field(ge=1, le=4, description="that see image and code together; above 1 the code has one alone first")
        ] = 1,
        reconstruction_weight: Annotated[
            float, Field(ge=0, description="of ‖G(E(s)) − s‖² in the loss of E and G, S3's reconstruction penalty")
        ] = 100.0,
        averaging: Annotated[float, Field(ge=0, lt=1, description="share of the average that a step keeps")] = 0.98,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam for E and G")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        channels, *sides = image_shape
        if any(side % STRIDE for side in sides):
            raise RecipeError(
                f"images are {in_px(sides)}, but this method takes sides that are multiples of {STRIDE}; set "
                "preprocessing.resize.height and .width, or tiling.tile_px"
            )
        self.latent_channels, self.learning_rate = latent_channels, learning_rate
        self.reconstruction_weight = reconstruction_weight
        self.encoder = nn.Sequential(_down(channels, width), nn.Conv2d(4 * width, latent_channels, 3, padding=1))
        self.generator = _up(latent_channels, channels, width)
        self.averages = self.averages_of_both(averaging)
        is_bounded = not gradient_penalty
        self.gradient_penalty = gradient_penalty
        self.features, deep = _down(channels, width, is_bounded=is_bounded), 4 * width
        self.of_code: nn.Module = nn.Identity()
        if joint_layers > 1:
            self.of_code = _places(latent_channels, deep, is_bounded=is_bounded)
        n_inputs = deep + (latent_channels if joint_layers == 1 else deep)
        self.joined = _places(n_inputs, *[deep] * joint_layers, is_bounded=is_bounded)
        self.head = _bounded(nn.Conv2d(deep, 1, 1), is_bounded=is_bounded)

    def discriminate(self, images: Tensor, z: Tensor) -> Tensor:
        """D(s, z) at each cell, (B, 1, H/8, W/8); it learns to give 1 for normal images and their codes, else 0."""
        found: Tensor = self.head(self.joined(torch.cat([self.features(images), self.of_code(z)], dim=1)))
        return found

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        z, noise = self.encoder(inputs), self._noise(inputs)
        made = self.generator(noise)
        outputs = self.discriminate(inputs, z.detach()), self.discriminate(made.detach(), noise)
        yield "discriminator", adversarial.discriminator_loss(_CONTEST, *outputs) + self._penalty(inputs, z)
        fooling = adversarial.generator_loss(_CONTEST, self.discriminate(made, noise))
        fooling = fooling + 0.5 * self.discriminate(inputs, z).square().mean()  # labels changed round
        penalty = (self.generator(z) - inputs).square().mean()
        yield "encoder_generator", fooling + self.reconstruction_weight * penalty
        self.move_averages()

    def _penalty(self, images: Tensor, z: Tensor) -> Tensor:
        """Of each image's mean over its cells, as an image of any size is one."""
        if not (self.gradient_penalty and self.training):
            return images.new_zeros(())
        found = adversarial.real_gradient_penalty(lambda *pair: self.discriminate(*pair).mean(dim=(2, 3)), images, z)
        return self.gradient_penalty * found

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:
        noise = self._noise(inputs)
        made = self.generate(noise)
        z = self.latents(inputs)
        outputs = self.discriminate(inputs, z), self.discriminate(made, noise)
        found = contest_measurements(inputs, made, adversarial.accuracy(_CONTEST, *outputs))
        return found | {"code_length": z.square().mean().sqrt()}  # over the prior's: 1 where codes reach it

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        critique = adversarial.critique(_CONTEST, self.discriminate(inputs, z))
        return Reconstruction(inputs, self.generate(z), z, critique)

    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        if height_px % STRIDE or width_px % STRIDE or min(height_px, width_px) < STRIDE:
            raise InputError(
                f"images of {in_px((height_px, width_px))} were asked for: sides are multiples of {STRIDE} px"
            )
        return self.latent_channels, height_px // STRIDE, width_px // STRIDE

    def _noise(self, images: Tensor) -> Tensor:
        shape = self.latent_shape(*images.shape[-2:])
        return torch.randn(len(images), *shape, device=images.device)


def _down(channels: int, width: int, *, is_bounded: bool = False) -> nn.Sequential:
    """(B, C, H, W) -> (B, 4·width, H/8, W/8)."""
    layers: list[nn.Module] = []
    for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [_bounded(nn.Conv2d(before, after, 4, 2, 1), is_bounded=is_bounded), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers)


def _places(*channels: int, is_bounded: bool) -> nn.Sequential:
    """Layers that look at each place by itself, (B, first, h, w) -> (B, last, h, w)."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [_bounded(nn.Conv2d(before, after, 1), is_bounded=is_bounded), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers)


def _bounded(layer: nn.Module, *, is_bounded: bool) -> nn.Module:
    return spectral_norm(layer) if is_bounded else layer


def _up(latent_channels: int, channels: int, width: int) -> nn.Sequential:
    """(B, J, h, w) -> (B, C, 8h, 8w) in [0, 1]; nearest doubling and convolutions leave no checkerboard."""
    layers: list[nn.Module] = [nn.Conv2d(latent_channels, 4 * width, 3, padding=1), nn.LeakyReLU(_LEAK)]
    for before, after in ((4 * width, 2 * width), (2 * width, width), (width, width)):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1), nn.Sigmoid())

"""Generative adversarial networks (S3; S1 §2.2), and anomaly detection with them by inversion (AnoGAN)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from urushi.losses import adversarial
from urushi.losses.adversarial import ContestOption
from urushi.models.base import Extra, Generative, Reconstruction, require_size
from urushi.models.networks import contest
from urushi.models.networks.averaging import averaged, settle
from urushi.models.networks.collapse import concern_of, contest_measurements, distribution_distance
from urushi.models.networks.contest import Architecture, GradientPenalty, Width
from urushi.models.networks.linear_path import LinearPathOption, path_beside

_BETAS = (0.5, 0.9)
_SETTLING_BATCHES, _SETTLING_IMAGES = 8, 64  # of noise, for batch statistics of averaged weights
_INVERSION_RATE = 0.05


class Gan(Generative):
    """A generator makes images from noise that a discriminator cannot tell from normal ones.

    A new image is restored by the code whose image comes nearest to it, found by `inversion_steps` of Adam from z = 0,
    and from further codes with `inversion_restarts`. What is used after training is a moving average of the generator.
    The discriminator learns twice as fast as the generator and, but for `wasserstein_*`, is kept smooth by spectral
    norm or a gradient penalty: these keep small data sets on CPUs from collapsing.
    """

    opinions = frozenset[Extra]({"critique", "perceived"})
    exportable: ClassVar[bool | str] = "it searches a latent code for each image by gradient steps"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        architecture: Architecture = "dcgan",
        latent_dimension: Annotated[int, Field(ge=1, le=1024, description="J, of the noise")] = 32,
        width: Width = 16,
        linear_path: LinearPathOption = False,
        loss: ContestOption = "non_saturating",
        gradient_penalty: GradientPenalty = 0.0,
        critic_steps: Annotated[int, Field(ge=1, le=20, description="of the discriminator per generator step")] = 1,
        feature_matching: Annotated[
            float, Field(ge=0, description="weight of matching mean features of the discriminator")
        ] = 0.0,
        minibatch_discrimination: Annotated[
            bool, Field(description="show the discriminator how alike images of a batch are")
        ] = False,
        averaging: Annotated[float, Field(ge=0, lt=1, description="share of the average that a step keeps")] = 0.98,
        inversion_steps: Annotated[int, Field(ge=1, le=10000, description="to restore an image")] = 100,
        inversion_restarts: Annotated[
            int, Field(ge=1, le=64, description="codes to start from: 0, then draws; the best end counts")
        ] = 1,
        inversion_features: Annotated[
            float, Field(ge=0, le=1, description="λ: share of the discriminator's features in what is made small")
        ] = 0.0,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of the generator's Adam")] = 4e-4,
    ) -> None:
        super().__init__(image_shape)
        self.loss, self.critic_steps, self.feature_matching = loss, critic_steps, feature_matching
        self.latent_dimension, self.learning_rate, self.inversion_steps = (
            latent_dimension,
            learning_rate,
            inversion_steps,
        )
        self.inversion_restarts, self.inversion_features = inversion_restarts, inversion_features
        is_free = adversarial.is_wasserstein(loss)
        self.gradient_penalty = 0.0 if is_free else gradient_penalty
        is_bounded = not is_free and not gradient_penalty
        self.generator = contest.generator(architecture, image_shape, latent_dimension, width)
        self.path = path_beside(linear_path, image_shape, latent_dimension, self.generator)
        self.average = averaged(self.generator, averaging)
        self.features, n_features = contest.features(architecture, image_shape, width, is_bounded=is_bounded)
        head: list[nn.Module] = [contest.MinibatchDiscrimination(n_features)] if minibatch_discrimination else []
        n_features += 16 if minibatch_discrimination else 0
        self.head = nn.Sequential(*head, contest.bounded_linear(n_features, 1, is_bounded=is_bounded))

    def discriminate(self, images: Tensor) -> Tensor:
        """Raw outputs (B, 1)."""
        found: Tensor = self.head(self.features(images))
        return found

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        for _ in range(self.critic_steps):
            made = self._made(len(inputs)).detach()
            loss = adversarial.discriminator_loss(self.loss, self.discriminate(inputs), self.discriminate(made))
            if self.loss == "wasserstein_penalty" and self.training:
                loss = loss + adversarial.gradient_penalty(self.discriminate, inputs, made)
            if self.gradient_penalty and self.training:
                penalty = adversarial.real_gradient_penalty(self.discriminate, inputs)
                loss = loss + self.gradient_penalty * penalty
            yield "discriminator", loss
            if self.loss == "wasserstein_clipping" and self.training:
                adversarial.clip_weights(self.features)
                adversarial.clip_weights(self.head)
        yield "generator", self._generator_loss(inputs)
        if self.training:
            self.average.update_parameters(self.generator)

    def _generator_loss(self, inputs: Tensor) -> Tensor:
        features = self.features(self._made(len(inputs)))
        loss = adversarial.generator_loss(self.loss, self.head(features))
        if not self.feature_matching:
            return loss
        apart = features.mean(dim=0) - self.features(inputs).detach().mean(dim=0)
        matching: Tensor = self.feature_matching * apart.square().mean()
        return loss + matching

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        self.path.learn(batches)

    def optimizers(self) -> dict[str, Optimizer]:
        critic = [*self.features.parameters(), *self.head.parameters()]
        return {
            "discriminator": Adam(critic, lr=2 * self.learning_rate, betas=_BETAS),
            "generator": Adam(self.generator.parameters(), lr=self.learning_rate, betas=_BETAS),
        }

    def settle(self) -> None:
        settle(self.average, (self._noise(_SETTLING_IMAGES) for _ in range(_SETTLING_BATCHES)))

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """How far samples are from images as distributions: the losses of a contest tell nothing of it."""
        return distribution_distance(inputs, self.generate(self._noise(4 * len(inputs))))

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:
        made = self.generate(self._noise(len(inputs)))
        outputs = self.discriminate(inputs), self.discriminate(made)
        return contest_measurements(inputs, made, adversarial.accuracy(self.loss, *outputs))

    def concern(self, measured: Mapping[str, float]) -> str | None:
        return concern_of(measured)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        rebuilt = self.generate(z)
        critique = adversarial.critique(self.loss, self.discriminate(inputs))
        perceived = (self.features(inputs) - self.features(rebuilt)).norm(dim=1)
        return Reconstruction(inputs, rebuilt, z, critique[:, :, None, None], perceived)

    @torch.enable_grad()
    def latents(self, inputs: Tensor) -> Tensor:
        """The codes (B, J) whose images come near; each image's own sum of errors, so no other moves them."""
        n, images = self.inversion_restarts, inputs.repeat(self.inversion_restarts, 1, 1, 1)
        z = self.path.code(images, self._starts().to(inputs).repeat_interleave(len(inputs), dim=0)).requires_grad_(True)
        optimizer = Adam([z], lr=_INVERSION_RATE)
        for _ in range(self.inversion_steps):
            (z.grad,) = torch.autograd.grad(self._distance(images, z).sum(), z)
            optimizer.step()
        ends = z.detach().view(n, len(inputs), -1)
        if n == 1:
            return ends[0]
        best = self._distance(images, z).detach().view(n, -1).argmin(dim=0)
        return ends[best, torch.arange(len(inputs), device=inputs.device)]

    def _starts(self) -> Tensor:
        """Codes from which inversion starts, beside those of a linear path: 0, then draws from the prior."""
        drawn = torch.randn(self.inversion_restarts, self.latent_dimension, generator=torch.Generator().manual_seed(0))
        drawn[0] = 0
        return drawn

    def _distance(self, images: Tensor, z: Tensor) -> Tensor:
        """(1 − λ)·(G(z) − s)² + λ·(f(G(z)) − f(s))², means over pixels and features (after AnoGAN), (B,)."""
        made, share = self.generate(z), self.inversion_features
        error = (made - images).square().flatten(1).mean(dim=1)
        if not share:
            return error
        apart: Tensor = (self.features(made) - self.features(images)).square().mean(dim=1)
        return (1 - share) * error + share * apart

    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        require_size(self.image_shape, height_px, width_px)
        return (self.latent_dimension,)

    def generate(self, z: Tensor) -> Tensor:
        return self.path.image(z, self.average(z))

    def _made(self, n: int) -> Tensor:
        """Images of codes from the prior, by the weights that are trained, (n, C, H, W)."""
        z = self._noise(n)
        return self.path.image(z, self.generator(z))

    def _noise(self, n: int) -> Tensor:
        return torch.randn(n, self.latent_dimension, device=next(self.parameters()).device)

"""GANomaly (Akcay et al. 2018; reference method of S1 and S5): encoder, decoder, encoder; the codes tell anomalies."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from urushi.losses import adversarial
from urushi.models.base import Extra, Reconstruction, Reconstructor
from urushi.models.networks import contest
from urushi.models.networks.contest import GradientPenalty, Width
from urushi.models.networks.linear_path import LinearPathOption, path_beside

_BETAS = (0.5, 0.9)
_ARCHITECTURE = "dcgan"


class Ganomaly(Reconstructor):
    """An autoencoder whose image a discriminator judges, and a second encoder that looks at what was rebuilt.

    Its own score is the distance of both codes, mean |E(s) − E'(G(E(s)))|: the score `adversarial` with
    `opinion = "features"` and `alpha = 1`. Weights as in the paper, with mean errors.
    """

    opinions = frozenset[Extra]({"critique", "perceived"})

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dimension: Annotated[int, Field(ge=1, le=1024, description="J, of both codes")] = 64,
        width: Width = 16,
        linear_path: LinearPathOption = False,
        gradient_penalty: GradientPenalty = 0.0,
        context_weight: Annotated[float, Field(ge=0, description="of |s − ŝ|")] = 50.0,
        code_weight: Annotated[float, Field(ge=0, description="of the squared distance of both codes")] = 1.0,
        adversarial_weight: Annotated[float, Field(ge=0, description="of matching the discriminator's features")] = 1.0,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 4e-4,
    ) -> None:
        super().__init__(image_shape)
        self.context_weight, self.code_weight, self.adversarial_weight = context_weight, code_weight, adversarial_weight
        self.learning_rate = learning_rate
        self.encoder, self.second_encoder = (_encoder(image_shape, width, latent_dimension) for _ in range(2))
        self.decoder = contest.generator(_ARCHITECTURE, image_shape, latent_dimension, width)
        self.path = path_beside(linear_path, image_shape, latent_dimension, self.encoder, self.decoder)
        is_bounded = not gradient_penalty
        self.gradient_penalty = gradient_penalty
        self.features, n_features = contest.features(_ARCHITECTURE, image_shape, width, is_bounded=is_bounded)
        self.head = contest.bounded_linear(n_features, 1, is_bounded=is_bounded)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        z = self.latents(inputs)
        rebuilt = self.decode(z)
        seen = self.features(inputs)
        outputs = self.head(seen), self.head(self.features(rebuilt.detach()))
        yield "discriminator", adversarial.discriminator_loss("non_saturating", *outputs) + self._penalty(inputs)
        yield "generator", sum(self._generator_terms(inputs, z, rebuilt), start=inputs.new_zeros(()))

    def _generator_terms(self, inputs: Tensor, z: Tensor, rebuilt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the context, of the codes, and adversarial, each with its weight."""
        context = (inputs - rebuilt).abs().mean()
        codes = (z - self.second_encoder(rebuilt)).square().mean()
        matched = (self.features(inputs).detach() - self.features(rebuilt)).square().mean()
        return self.context_weight * context, self.code_weight * codes, self.adversarial_weight * matched

    def _penalty(self, images: Tensor) -> Tensor:
        if not (self.gradient_penalty and self.training):
            return images.new_zeros(())
        found = adversarial.real_gradient_penalty(lambda seen: self.head(self.features(seen)), images)
        return self.gradient_penalty * found

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        self.path.learn(batches)

    def optimizers(self) -> dict[str, Optimizer]:
        parts = (self.encoder, self.decoder, self.second_encoder)
        made = [p for part in parts for p in part.parameters()]
        critic = [*self.features.parameters(), *self.head.parameters()]
        return {
            "discriminator": Adam(critic, lr=self.learning_rate, betas=_BETAS),
            "generator": Adam(made, lr=self.learning_rate, betas=_BETAS),
        }

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """Rebuilding and codes; the contest's losses do not tell how far training is."""
        pair = self.reconstruct(inputs)
        assert pair.perceived is not None
        context = (pair.original - pair.reconstruction).abs().mean()
        return self.context_weight * context + self.code_weight * pair.perceived.mean()

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:
        """The share of the adversarial term in the generator's loss, and how often the discriminator is right."""
        z = self.latents(inputs)
        rebuilt = self.decode(z)
        *others, matched = self._generator_terms(inputs, z, rebuilt)
        judged = (self.head(self.features(images)) for images in (inputs, rebuilt))
        accuracy = adversarial.accuracy("non_saturating", *judged)
        return {"adversarial_share": matched / (matched + others[0] + others[1]), "discriminator_accuracy": accuracy}

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, J)."""
        return self.path.code(inputs, self.encoder(inputs))

    def decode(self, z: Tensor) -> Tensor:
        """(B, J) -> (B, C, H, W) in [0, 1]."""
        return self.path.image(z, self.decoder(z))

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        z = self.latents(inputs)
        rebuilt = self.decode(z)
        critique = adversarial.critique("non_saturating", self.head(self.features(inputs)))
        apart = (z - self.second_encoder(rebuilt)).abs().mean(dim=1)
        return Reconstruction(inputs, rebuilt, z, critique[:, :, None, None], apart)


def _encoder(image_shape: tuple[int, int, int], width: int, latent_dimension: int) -> nn.Sequential:
    backbone, n_features = contest.features(_ARCHITECTURE, image_shape, width, is_bounded=False)
    return nn.Sequential(backbone, nn.Linear(n_features, latent_dimension))

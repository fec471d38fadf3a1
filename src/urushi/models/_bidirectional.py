"""What bidirectional GANs share: an encoder beside the generator, both used as moving averages, against one critic."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from urushi.models.base import Generative
from urushi.models.networks.averaging import averaged
from urushi.models.networks.collapse import concern_of

_BETAS = (0.5, 0.9)


class Bidirectional(Generative):
    """E and G against a discriminator of pairs (s, z), whose parts are `features`, `of_code`, `joined` and `head`."""

    encoder: nn.Module
    generator: nn.Module
    averages: nn.ModuleDict
    features: nn.Module
    of_code: nn.Module
    joined: nn.Module
    head: nn.Module
    learning_rate: float

    def averages_of_both(self, share: float) -> nn.ModuleDict:
        """Copies of E and G that keep this share of themselves at a step."""
        return nn.ModuleDict({"encoder": averaged(self.encoder, share), "generator": averaged(self.generator, share)})

    def move_averages(self) -> None:
        """Towards E and G, while they are trained."""
        if self.training:
            self.averages["encoder"].update_parameters(self.encoder)  # type: ignore[operator]
            self.averages["generator"].update_parameters(self.generator)  # type: ignore[operator]

    def optimizers(self) -> dict[str, Optimizer]:
        parts = (self.features, self.of_code, self.joined, self.head)
        critic = [p for part in parts for p in part.parameters()]
        both = [*self.encoder.parameters(), *self.generator.parameters()]
        return {
            "discriminator": Adam(critic, lr=self.learning_rate, betas=_BETAS),
            "encoder_generator": Adam(both, lr=self.learning_rate, betas=_BETAS),
        }

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """‖G(E(s)) − s‖², which the contest's own losses do not tell."""
        return (self.generate(self.latents(inputs)) - inputs).square().mean()

    def concern(self, measured: Mapping[str, float]) -> str | None:
        return concern_of(measured)

    def latents(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> E(s), (B, *latent_shape)."""
        return self.code(self.averages["encoder"], inputs)

    def generate(self, z: Tensor) -> Tensor:
        return self.image(self.averages["generator"], z)

    def code(self, encoder: nn.Module, images: Tensor) -> Tensor:
        """What an encoder, the one that is trained or its average, makes of images."""
        z: Tensor = encoder(images)
        return z

    def image(self, generator: nn.Module, z: Tensor) -> Tensor:
        """What a generator, the one that is trained or its average, makes of codes."""
        images: Tensor = generator(z)
        return images

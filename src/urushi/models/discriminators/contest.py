"""A DCGAN discriminator, or the critic of a Wasserstein GAN, by the contest (S1 §5.5)."""

from torch import Tensor
from torch.nn import functional as F

from urushi.losses import adversarial
from urushi.losses.adversarial import ContestOption
from urushi.models.discriminators.base import Discriminator, DiscriminatorRate
from urushi.models.networks import contest
from urushi.models.networks.contest import Width


class ContestDiscriminator(Discriminator):
    """Strided convolutions and one linear layer; embeddings are what goes into the latter."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        loss: ContestOption = "non_saturating",
        width: Width = 16,
        learning_rate: DiscriminatorRate = 1e-4,
    ) -> None:
        super().__init__()
        self.contest, self.learning_rate = loss, learning_rate
        is_bounded = not adversarial.is_wasserstein(loss)
        self.features, n_features = contest.features("dcgan", shape, width, is_bounded=is_bounded)
        self.head = contest.bounded_linear(n_features, 1, is_bounded=is_bounded)

    def forward(self, windows: Tensor) -> Tensor:
        judged: Tensor = self.head(self.features(windows))
        return judged

    def loss(self, real: Tensor, restored: Tensor) -> Tensor:
        loss = adversarial.discriminator_loss(self.contest, self(real), self(restored))
        if self.contest != "wasserstein_penalty" or not self.training:
            return loss
        return loss + adversarial.gradient_penalty(self, real, restored)

    def fooling_loss(self, real: Tensor, restored: Tensor) -> Tensor:  # noqa: ARG002
        return adversarial.generator_loss(self.contest, self(restored))

    def distance(self, real: Tensor, restored: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(self.features(real), self.features(restored), dim=1)

    def after_step(self) -> None:
        if self.contest == "wasserstein_clipping":
            adversarial.clip_weights(self)

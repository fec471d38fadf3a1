"""The contract of every method: learn what normal looks like, rebuild any image as normal as it can be."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from urushi.errors import InputError
from urushi.printable import in_px

Space = Literal["pixels", "features"]
Statistics = tuple[Tensor, ...]  # of some images; those of two sets of images add up, tensor by tensor
Extra = Literal["latents", "critique", "perceived"]  # what a reconstruction may hold besides the pair


@dataclass(frozen=True)
class Reconstruction:
    """A pair in one space, (B, C, h, w) each: what came and what it should have been."""

    original: Tensor
    reconstruction: Tensor
    latents: Tensor | None = None  # (B, J) or a map (B, J, h', w'), where the method has a bottleneck
    critique: Tensor | None = None  # (B, 1, h', w'): how little a discriminator takes each place for normal
    perceived: Tensor | None = None  # (B,): distance of the two in the method's own features
    residual: Tensor | None = None  # (B, 1, h', w') ≥ 0: how far apart they are, by the method's measure


class Reconstructor(nn.Module, ABC):
    """A method. It gets the image shape (C, H, W) and, keyword-only, its options; it knows no trainer.

    The images' way is `reconstruct(embed(images))`. Methods on frozen features put the frozen part into `embed`, so
    that fitting computes it once per image; all others leave it alone, and `inputs` below are the images themselves,
    (B, C, H, W) float32 in [0, 1].

    A saved detector is rebuilt on the meta device and then given its state: `__init__` may not read values of tensors,
    and every tensor is a parameter or a persistent buffer.
    """

    space: ClassVar[Space] = "pixels"
    stride_px: int = 0  # images of any multiple of it are taken; 0: of the shape it was made for, no other
    exportable: ClassVar[bool | str] = True  # or, where it can't be exported, the reason
    opinions: ClassVar[frozenset[Extra]] = frozenset()  # "critique", "perceived": which of them `reconstruct` gives
    n_pictures: int = 0  # how many normal images it keeps to show the most similar one; then it has `keep`
    is_closed_form: bool = False  # True: it has `fit`; False: it has `losses`, `optimizers` and `learning_rate`
    is_additive: bool = False  # True: `fit` is `learn(statistics)`, and folds need not see every image again
    learning_rate: float  # what the learning-rate finder may set

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.image_shape = image_shape

    @property
    def gives(self) -> frozenset[Extra]:
        """What scores may look at besides the pair; methods with a bottleneck have `latents`, a function of inputs."""
        return self.opinions | (frozenset({"latents"}) if hasattr(self, "latents") else frozenset())

    def embed(self, images: Tensor) -> Tensor:
        """The frozen front of the method, (B, C, H, W) -> (B, …); computed once per image while fitting."""
        return images

    @abstractmethod
    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        """The original and its restoration in the method's space; no image's result depends on another's."""

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        """What is learnt from batches of inputs (re-iterable) before the first step of `losses`; mostly nothing."""

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields (optimiser name, scalar loss), phase by phase.

        The trainer backpropagates and steps each one before it asks for the next: an autoencoder yields once, a GAN
        yields its discriminator's loss and then its generator's.
        """
        raise NotImplementedError(f"{type(self).__name__} is not trained by gradient steps")

    def optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by the names that `losses` yields; made anew on each call."""
        raise NotImplementedError(f"{type(self).__name__} is not trained by gradient steps")

    def settle(self) -> None:
        """Computes anew what depends on weights after the last step, before they are used; mostly nothing."""

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """The scalar that early stopping and the choice of the best checkpoint watch; by default the losses' sum."""
        return sum((loss for _, loss in self.losses(inputs)), start=inputs.new_zeros(()))

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Scalars about the state of training, beside the losses, for the log; computed on validation inputs."""
        return {}

    def concern(self, measured: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """What is wrong with an epoch of these measurements and what to do, in words; None if nothing is."""
        return None

    @property
    def shows(self) -> bool:
        """Whether `picture` gives images; of a method that compares features, only where it keeps some."""
        return self.space == "pixels" or self.n_pictures > 0

    def picture(self, pair: Reconstruction) -> Tensor:
        """What is shown as the image as it should look, (B, C, H, W) in [0, 1] where the method `shows` any."""
        return pair.reconstruction

    def keep(self, images: Tensor) -> None:
        """Takes `n_pictures` normal images or fewer, (n, C, H, W) in [0, 1], to show them; after fitting."""
        raise NotImplementedError(f"{type(self).__name__} keeps no pictures")

    @property
    def kept(self) -> Tensor:
        """The pictures that it keeps, (n_pictures, C, H, W) in [0, 1]; where it has fewer, they come again."""
        raise NotImplementedError(f"{type(self).__name__} keeps no pictures")

    def facts(self) -> dict[str, Any]:
        """What the card of a detector says of the fitted method beyond its recipe; mostly nothing.

        `beside_map` is "image" or "windows" where these are `perceived`: a card of a report then names them.
        """
        return {}

    def choices(self) -> Mapping[str, Sequence[Any]]:
        """Options that the recipe leaves to the fit and the values to choose from; they change no weight."""
        return {}

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Learns in closed form from batches of inputs (re-iterable) whose sizes and order do not matter."""
        if not self.is_additive:
            raise NotImplementedError(f"{type(self).__name__} has no closed form; it is trained by its losses")
        self.learn(*summed(self, batches))

    def statistics(self, inputs: Tensor) -> Statistics:
        """Sums over a batch of inputs that `learn` needs; only of additive methods."""
        raise NotImplementedError(f"{type(self).__name__} does not learn from sums over images")

    def descriptors(self, inputs: Tensor) -> Tensor:
        """What `learn` needs of each input by itself, (B, J); mostly nothing, J = 0."""
        return inputs.new_zeros(len(inputs), 0)

    def learn_descriptors(self, descriptors: Tensor) -> None:
        """The part of `learn` that needs nothing but descriptors; mostly there is none."""

    def perceived_in(self, descriptors: Tensor) -> Tensor:
        """What `perceived` owes to the descriptor of an input alone, (n, J) -> (n,); mostly nothing."""
        return descriptors.new_zeros(len(descriptors))

    def learn(self, statistics: Statistics, descriptors: Tensor) -> None:
        """Learns in closed form from the statistics of all inputs and the descriptor of each, (n, J)."""
        raise NotImplementedError(f"{type(self).__name__} does not learn from sums over images")


def seed_all(seed: int) -> None:
    """As `torch.manual_seed`, which without an accelerator takes milliseconds to note who asked for it."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def added(parts: Iterable[Statistics]) -> Statistics:
    """The statistics of all batches together."""
    return reduce(lambda one, other: tuple(a + b for a, b in zip(one, other, strict=True)), parts)


def summed(model: Reconstructor, batches: Iterable[Tensor]) -> tuple[Statistics, Tensor]:
    """Statistics of all batches of inputs, added up as they come, and the descriptor of each input, (n, J)."""
    descriptors: list[Tensor] = []

    def statistics() -> Iterator[Statistics]:
        for one in batches:
            descriptors.append(model.descriptors(one))
            yield model.statistics(one)

    return added(statistics()), torch.cat(descriptors)


class Generative(Reconstructor):
    """A method that can also make images from a latent code z ~ N(0, I)."""

    @abstractmethod
    def latent_shape(self, height_px: int, width_px: int) -> tuple[int, ...]:
        """The shape of the code of an image of this size, without B; raises InputError where it makes no such size."""

    @abstractmethod
    def generate(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) -> images (B, C, H, W) in [0, 1]."""

    def sample(self, n: int, height_px: int, width_px: int) -> Tensor:
        """n images of codes from N(0, I), (n, C, H, W) in [0, 1]; raises InputError."""
        return self.generate(torch.randn(n, *self.latent_shape(height_px, width_px)))


def require_size(image_shape: tuple[int, int, int], height_px: int, width_px: int) -> None:
    """Raises InputError unless images of this size are what the method was fitted on."""
    _, height, width = image_shape
    if (height_px, width_px) != (height, width):
        raise InputError(
            f"images of {in_px((height_px, width_px))} were asked for, but the method makes "
            f"{in_px((height, width))} only; convolutional_bigan makes any size"
        )

"""The contract of every method: learn what normal looks like, rebuild any image as normal as it can be."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

Space = Literal["pixels", "features"]


@dataclass(frozen=True)
class Reconstruction:
    """A pair in one space, (B, C, h, w) each: what came and what it should have been."""

    original: Tensor
    reconstruction: Tensor
    latents: Tensor | None = None  # (B, J), where the method has a bottleneck


class Reconstructor(nn.Module, ABC):
    """A method. It gets the image shape (C, H, W) and, keyword-only, its options; it knows no trainer.

    The images' way is `reconstruct(embed(images))`. Methods on frozen features put the frozen part into `embed`, so
    that fitting computes it once per image; all others leave it alone, and `inputs` below are the images themselves,
    (B, C, H, W) float32 in [0, 1].

    A saved detector is rebuilt on the meta device and then given its state: `__init__` may not read values of tensors,
    and every tensor is a parameter or a persistent buffer.
    """

    space: ClassVar[Space] = "pixels"
    exportable: ClassVar[bool | str] = True  # or, where it can't be exported, the reason
    is_closed_form: bool = False  # True: it has `fit`; False: it has `losses`, `optimizers` and `learning_rate`
    learning_rate: float  # what the learning-rate finder may set

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.image_shape = image_shape

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

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """The scalar that early stopping and the choice of the best checkpoint watch; by default the losses' sum."""
        return sum((loss for _, loss in self.losses(inputs)), start=inputs.new_zeros(()))

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Learns in closed form from batches of inputs (re-iterable) whose sizes and order do not matter."""
        raise NotImplementedError(f"{type(self).__name__} has no closed form; it is trained by its losses")

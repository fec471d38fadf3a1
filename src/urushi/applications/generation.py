"""New images from a generative method: samples, the way from one to another, and arithmetic on their codes."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from urushi.detector import Detector
from urushi.errors import InputError
from urushi.models.base import Generative
from urushi.printable import in_px
from urushi.runtime.torch_backend import TorchBackend

_BATCH = 16
_MOST_PIXELS = 1 << 26  # of one image


@dataclass(frozen=True)
class Generator:
    """The generative part of a fitted detector. A seed names a code z ~ N(0, I), and so an image, for ever."""

    model: Generative
    height_px: int
    width_px: int
    shape: tuple[int, ...] = field(init=False)  # of a code

    def __post_init__(self) -> None:
        if self.height_px * self.width_px > _MOST_PIXELS:
            raise InputError(
                f"{in_px((self.height_px, self.width_px))} were asked for; {_MOST_PIXELS} pixels are the most"
            )
        object.__setattr__(self, "shape", self.model.latent_shape(self.height_px, self.width_px))

    @classmethod
    def of(cls, detector: Detector, height_px: int | None = None, width_px: int | None = None) -> "Generator":
        """That of a detector that runs in PyTorch; without a size, that of the images it was fitted on.

        Raises InputError if its method makes no images, or none of this size.
        """
        assert isinstance(detector.backend, TorchBackend)
        model = detector.backend.graph.model
        if not isinstance(model, Generative):
            raise InputError(
                f"the method {detector.recipe.model.name} makes no images of its own; variational_autoencoder, "
                "adversarial_autoencoder, gan, bigan and convolutional_bigan do"
            )
        _, height, width = model.image_shape
        return cls(model, height if height_px is None else height_px, width if width_px is None else width_px)

    def code(self, seed: int) -> Tensor:
        """The code z of a seed, of this shape."""
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(seed))

    def images(self, codes: Tensor) -> np.ndarray:
        """Codes (n, *shape) -> images (n, H, W, C) float32 in [0, 1]."""
        with torch.no_grad():
            made = [self.model.generate(batch) for batch in torch.split(codes, _BATCH)]
        return torch.cat(made).permute(0, 2, 3, 1).numpy()

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """The images of the seeds seed … seed + n − 1, (n, H, W, C) in [0, 1]."""
        return self.images(torch.stack([self.code(seed + number) for number in range(n)]))


def arithmetic(start: Tensor, minus: Tensor, plus: Tensor) -> Tensor:
    """z1 − z2 + z3 (S1 §5.5), over √3: else it lies where no code of N(0, I) does."""
    return (start - minus + plus) / 3**0.5


def between(start: Tensor, end: Tensor, n: int) -> Tensor:
    """n codes (n, *shape) from one to another on a great circle: on a straight line those between are too short."""
    share = torch.linspace(0, 1, n).view(-1, *[1] * start.ndim)
    cosine = (start * end).sum() / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle < 1e-3 or angle > torch.pi - 1e-3:  # the same, or opposite: no circle is the shortest
        return torch.lerp(start[None], end[None], share)
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)

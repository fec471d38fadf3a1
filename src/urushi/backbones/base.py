"""The contract of frozen networks: what is known of one by its name, and the front of it that gives features."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from torch import Tensor, nn

from urushi.errors import RecipeError

Kept = Literal["inside", "reference"]  # where a detector has the weights: in its file, or in the folder it names

UNKNOWN = "unknown"  # what a card says of a licence that nobody states


class Layer(NamedTuple):
    """One layer of a network that can give features."""

    px: int  # side of a cell in pixels of the image
    channels: int


class PretrainedNetwork(ABC):
    """A network by its name: its layers, those that suit a method, and how to get it. A family is a subclass."""

    name: str
    layers: Mapping[int, Layer]
    pyramid: tuple[int, ...]  # three to rebuild, from fine to coarse, and any that count beside the map only
    joined: tuple[int, ...]  # to bring to one grid
    inside: int | None = None  # a layer that has many more channels before it narrows them

    @classmethod
    @abstractmethod
    def find(cls, name: str) -> Self | None:
        """The network of a name, None where the family has no such names; raises BackboneError."""

    @classmethod
    def restored(cls, name: str, card: Mapping[str, Any]) -> Self | None:  # noqa: ARG003
        """The same for a detector file, by what its card says of the network; one that comes along is found again."""
        return cls.find(name)

    @abstractmethod
    def backbone(self, layers: Sequence[int], inside: int | None = None, kept: Kept = "inside") -> "Backbone":
        """Its frozen front up to the last of the layers; raises BackboneError, MissingPackageError, RecipeError."""


class Backbone(nn.Module, ABC):
    """Frozen features: (B, 1 or 3, H, W) in [0, 1] -> one map (B, C, H/px, W/px) per layer, in ascending order.

    With `inside` the many channels within that layer follow as one more map.
    """

    def __init__(self, name: str, layers: Mapping[int, Layer], taken: Sequence[int]) -> None:
        super().__init__()
        if not taken or set(taken) - set(layers) or len(set(taken)) < len(taken):
            raise RecipeError(f"blocks {list(taken)}: {name} gives features after {list(layers)}, each once")
        self.taken = tuple(sorted(taken))
        self._layers = [layers[layer] for layer in self.taken]

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """What the card of a detector says of it: family, name, digests of weights, licence, and what restores it."""

    @property
    def channels(self) -> list[int]:
        """Number of channels of each map, in the order of `forward`."""
        return [layer.channels for layer in self._layers]

    @property
    def smallest_px(self) -> int:
        """The least side of an image: below it, the last map would have no cell."""
        return self._layers[-1].px

    def shape(self, place: int, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape (C, h, w) of the map at this place in `forward`; where px does not go into a side, nearly that."""
        px, channels = self._layers[place]
        return channels, math.ceil(image_shape[1] / px), math.ceil(image_shape[2] / px)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002  the signature is torch's
        """Stays in evaluation mode: batch statistics of a frozen network must not move."""
        return super().train(False)

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps."""


def coloured(images: Tensor) -> Tensor:
    """Grey images in three channels; others as they are, since a runtime would copy them."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def sha256(path: Path) -> str:
    """The digest of a file in hexadecimal digits, computed anew only where the file has changed."""
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

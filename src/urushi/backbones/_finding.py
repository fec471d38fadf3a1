"""Finds a frozen network by its name, in whichever family has it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urushi import catalogue
from urushi.backbones.base import PretrainedNetwork
from urushi.errors import RecipeError

_ROOM = "urushi.backbones"
_CARD: ContextVar[Mapping[str, Any] | None] = ContextVar("a detector's word on its network", default=None)


def find(name: str) -> PretrainedNetwork:
    """The network of this name or folder; raises RecipeError, BackboneError, MissingPackageError."""
    card = _CARD.get()
    for family in catalogue.names(_ROOM):
        found = catalogue.load(_ROOM, family, PretrainedNetwork)
        network = found.find(name) if card is None else found.restored(name, card)
        if network is not None:
            return network
    raise RecipeError(
        f"model.backbone = {name!r}: there is no such network. Take efficientnet_lite0, _lite1 or _lite2, the path of "
        "a folder with config.json and model.safetensors, or hub:OWNER/NAME or timm:NAME, which are downloaded"
    )


@contextmanager
def restoring(card: Mapping[str, Any]) -> Iterator[None]:
    """Networks are found by what a detector's card says of them, not in folders or on the hub."""
    token = _CARD.set(card)
    try:
        yield
    finally:
        _CARD.reset(token)

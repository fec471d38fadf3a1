"""Losses, regularisers and corruptions by the names and tables that a recipe gives them."""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from urushi import catalogue
from urushi.catalogue import options
from urushi.losses.corruptions.base import Corruption
from urushi.losses.networks.base import LossNetwork
from urushi.losses.reconstruction.base import ReconstructionLoss
from urushi.losses.regularisers.base import Regulariser
from urushi.recipe import Part


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _listed(kind: str) -> str:
    return f"{', '.join(catalogue.names(f'urushi.losses.{kind}'))}; a name, or a table of name and options"


NamedPart = Annotated[Part, BeforeValidator(_named)]
LossOption = Annotated[NamedPart, Field(description=_listed("reconstruction"))]
RegulariserOption = Annotated[NamedPart | None, Field(description=_listed("regularisers"))]
CorruptionOption = Annotated[NamedPart | None, Field(description=_listed("corruptions"))]
LossNetworkOption = Annotated[
    NamedPart | None, Field(description=f"sees perceptual and style loss; {_listed('networks')}")
]
MSE = Part(name="mse")
T = TypeVar("T")


def build_optional(part: Part | None, room: str, base: type[T], where: str, *context: Any) -> T | None:
    """What a part of a recipe names in a package, if there is one; raises RecipeError for an unknown name or option."""
    return options.build(catalogue.load(room, part.name, base), part.options, where, *context) if part else None


def build_loss(part: Part) -> ReconstructionLoss:
    """The loss of a recipe; raises RecipeError for an unknown name or option."""
    found = catalogue.load("urushi.losses.reconstruction", part.name, ReconstructionLoss)
    return options.build(found, part.options, "model.loss")


def build_regulariser(part: Part | None) -> Regulariser | None:
    """The regulariser of a recipe, if it names one; raises RecipeError for an unknown name or option."""
    return build_optional(part, "urushi.losses.regularisers", Regulariser, "model.regulariser")


def build_corruption(part: Part | None) -> Corruption | None:
    """The corruption of a recipe, if it names one; raises RecipeError for an unknown name or option."""
    return build_optional(part, "urushi.losses.corruptions", Corruption, "model.corruption")


def build_loss_network(part: Part | None) -> LossNetwork | None:
    """The loss network of a recipe, if it names one; raises RecipeError for an unknown name or option."""
    return build_optional(part, "urushi.losses.networks", LossNetwork, "model.loss_network")

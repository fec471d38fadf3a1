"""From a recipe's part to a method with initial weights, and the layers that it then has."""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from urushi import catalogue
from urushi.catalogue import options
from urushi.models.base import Reconstructor, seed_all
from urushi.recipe import Part

Shape = tuple[int, int, int]  # channels, height, width


def build_model(part: Part, image_shape: Shape, seed: int = 0) -> Reconstructor:
    """A method with initial weights that depend on the seed alone; raises RecipeError."""
    with torch.random.fork_rng():
        seed_all(seed)
        found = catalogue.load("urushi.models", part.name, Reconstructor)
        return options.build(found, part.options, "model", image_shape)


class Layer(NamedTuple):
    """One layer of a network: its place, what it is, its output (C, H, W) or (J,), and how many numbers it learns."""

    name: str
    kind: str
    output: tuple[int, ...]
    n_parameters: int


@torch.no_grad()
def layers(part: Part, image_shape: Shape) -> list[Layer]:
    """The layers that an image passes on its way through a method, in this order; raises RecipeError."""
    model = build_model(part, image_shape).eval()
    found: list[Layer] = []
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(partial(_note, found, name))
    model.reconstruct(model.embed(torch.zeros(1, *image_shape)))
    return found


def _note(found: list[Layer], name: str, module: nn.Module, _: Any, output: Any) -> None:
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    found.append(Layer(name, type(module).__name__, tuple(output.shape[1:]), n_parameters))

"""From a recipe to its graph: with initial weights to be fitted, or with those of a detector file."""

from functools import partial
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import nn

from urushi import catalogue, options
from urushi.models.base import Reconstructor, Space
from urushi.recipe import Part, Recipe
from urushi.scoring import ScoringGraph
from urushi.scoring.base import Score

Shape = tuple[int, int, int]  # channels, height, width


def build_graph(recipe: Recipe, image_shape: Shape, seed: int = 0) -> ScoringGraph:
    """Model and score of a recipe for prepared images (C, H, W), with initial weights; raises RecipeError."""
    model = build_model(recipe.model, image_shape, seed)
    return ScoringGraph(model, build_score(recipe.score, model.space))


def build_model(part: Part, image_shape: Shape, seed: int = 0) -> Reconstructor:
    """A method with initial weights that depend on the seed alone; raises RecipeError."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
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


def build_score(part: Part, space: Space) -> Score:
    """A score for methods that work in this space; raises RecipeError."""
    found = catalogue.load("urushi.scoring", part.name, Score)
    return options.build(found, part.options, "score", space)


def restore_graph(recipe: Recipe, image_shape: Shape, weights: bytes) -> ScoringGraph:
    """The graph with weights from a safetensors file; raises ValueError if the weights do not fit the recipe."""
    with torch.device("meta"):  # takes no memory, whatever sizes the file claims
        graph = build_graph(recipe, image_shape)
    expected = graph.state_dict()
    found = safetensors.torch.load(weights)
    state = {name: t.to(expected[name].dtype) if name in expected else t for name, t in found.items()}
    try:
        graph.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"weights: {' '.join(str(error).split())[:200]}…") from None
    return graph

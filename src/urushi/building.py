"""From a recipe to its graph: with initial weights to be fitted, or with those of a detector file."""

import safetensors.torch
import torch

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

"""Model and score as one graph: what is run, and later exported, is this and nothing else.

It is built from a recipe with initial weights, to be fitted, or with the weights of a detector file.
"""

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi import catalogue
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models import build_model
from urushi.models.base import Extra, Reconstructor, Space
from urushi.recipe import Part, Recipe
from urushi.scoring.base import Score

_MISSING: dict[Extra, str] = {
    "critique": "this score asks a discriminator, and this method has none that judges new images",
    "latents": "this score looks at the latent code, and this method has none",
    "perceived": "this score compares in the method's own features, and this method has none",
}


class ScoringGraph(nn.Module):
    """Images (B, C, H, W) in [0, 1] -> (reconstruction, anomaly map (B, 1, H, W), score (B,)).

    Raises RecipeError if model and score do not go together.
    """

    def __init__(self, model: Reconstructor, score: Score) -> None:
        super().__init__()
        if missing := score.needs - model.gives:
            raise RecipeError(f"{_MISSING[min(missing)]}; take another score.name, or other options of it")
        self.model, self.score = model, score

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.model.stride_px:
            return self.score_inputs(self.model.embed(images))
        height, width = images.shape[-2:]  # mirrored beyond the lower and right edges where a whole stride is missing
        more = (0, -width % self.model.stride_px, 0, -height % self.model.stride_px)
        rebuilt, anomaly_map, score = self.score_inputs(F.pad(images, more, mode="reflect"))
        return rebuilt[..., :height, :width], anomaly_map[..., :height, :width], score

    def score_inputs(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from inputs that went through `model.embed` already."""
        pair = self.model.reconstruct(inputs)
        height, width = inputs.shape[-2:] if self.model.stride_px else self.model.image_shape[1:]
        anomaly_map, score = self.score(pair, (height, width))
        return self.model.picture(pair), anomaly_map, score

    def summand(self, descriptors: Tensor) -> Tensor:
        """The part of a score that an image's descriptor alone decides, (n, J) -> (n,); 0 where that is none."""
        found = self.model.perceived_in(descriptors)
        return found if self.score.adds_perceived else torch.zeros_like(found)


def build_graph(recipe: Recipe, image_shape: tuple[int, int, int], seed: int = 0) -> ScoringGraph:
    """Model and score of a recipe for prepared images (C, H, W), with initial weights; raises RecipeError."""
    model = build_model(recipe.model, image_shape, seed)
    return ScoringGraph(model, build_score(recipe.score, model.space))


def build_score(part: Part, space: Space) -> Score:
    """A score for methods that work in this space; raises RecipeError."""
    found = catalogue.load("urushi.scoring", part.name, Score)
    return options.build(found, part.options, "score", space)


def restore_graph(recipe: Recipe, image_shape: tuple[int, int, int], weights: bytes) -> ScoringGraph:
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

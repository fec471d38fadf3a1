"""Model and score as one graph: what is run, and later exported, is this and nothing else.

It is built from a recipe with initial weights, to be fitted, or with the weights of a detector file.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi import catalogue
from urushi.backbones import restoring
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models import build_model
from urushi.models.base import Extra, Reconstruction, Reconstructor, Space
from urushi.recipe import Part, Recipe
from urushi.scoring._inspected import Inspected
from urushi.scoring.base import Score

_MISSING: dict[Extra, str] = {
    "critique": "this score asks a discriminator, and this method has none that judges new images",
    "latents": "this score looks at the latent code, and this method has none",
    "perceived": "this score compares in the method's own features, and this method has none",
}


class ScoringGraph(nn.Module):
    """Images (B, C, H, W) in [0, 1] -> (reconstruction, anomaly map (B, 1, H, W), score (B,)).

    Of what is `ignored`, (H, W) bool, the map is 0, pixels count as rebuilt without error, and no place counts in the
    score. Raises RecipeError if model and score do not go together.
    """

    def __init__(self, model: Reconstructor, score: Score, ignored: np.ndarray | None = None) -> None:
        super().__init__()
        if missing := score.needs - model.gives:
            raise RecipeError(f"{_MISSING[min(missing)]}; take another score.name, or other options of it")
        self.model, self.score, self.ignored = model, score, ignored
        self.inspected = None if ignored is None else Inspected(_mirrored(ignored, model.stride_px))
        score.look_at(self.inspected)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.model.stride_px:
            return self.score_inputs(self.model.embed(images))
        height, width = images.shape[-2:]  # mirrored beyond the lower and right edges where a whole stride is missing
        more = (0, -width % self.model.stride_px, 0, -height % self.model.stride_px)
        rebuilt, anomaly_map, score = self.score_inputs(F.pad(images, more, mode="reflect"))
        return rebuilt[..., :height, :width], anomaly_map[..., :height, :width], score

    def score_inputs(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from inputs that went through `model.embed` already."""
        pair = self._inspected(self.model.reconstruct(inputs))
        height, width = inputs.shape[-2:] if self.model.stride_px else self.model.image_shape[1:]
        anomaly_map, score = self.score(pair, (height, width))
        shown = anomaly_map if self.inspected is None else self.inspected.only(anomaly_map)
        return self.model.picture(pair), shown, score

    def _inspected(self, pair: Reconstruction) -> Reconstruction:
        if self.inspected is None or self.model.space != "pixels":
            return pair
        return replace(pair, reconstruction=self.inspected.only(pair.reconstruction, pair.original))

    def summand(self, descriptors: Tensor) -> Tensor:
        """The part of a score that an image's descriptor alone decides, (n, J) -> (n,); 0 where that is none."""
        found = self.model.perceived_in(descriptors)
        return found if self.score.adds_perceived else torch.zeros_like(found)


def build_graph(
    recipe: Recipe, image_shape: tuple[int, int, int], seed: int = 0, ignored: np.ndarray | None = None
) -> ScoringGraph:
    """Model and score of a recipe for prepared images (C, H, W), with initial weights; raises RecipeError."""
    model = build_model(recipe.model, image_shape, seed)
    return ScoringGraph(model, build_score(recipe.score, model.space), ignored)


def build_score(part: Part, space: Space) -> Score:
    """A score for methods that work in this space; raises RecipeError."""
    found = catalogue.load("urushi.scoring", part.name, Score)
    return options.build(found, part.options, "score", space)


def restore_graph(
    recipe: Recipe,
    image_shape: tuple[int, int, int],
    weights: bytes,
    ignored: np.ndarray | None = None,
    backbone: Mapping[str, Any] | None = None,
) -> ScoringGraph:
    """The graph with weights from a safetensors file; raises ValueError if the weights do not fit the recipe.

    `backbone` is what the card says of the frozen network, if it does.
    """
    with torch.device("meta"), restoring(backbone or {}):  # takes no memory, whatever sizes the file claims
        graph = build_graph(recipe, image_shape, ignored=ignored)
    expected = graph.state_dict()
    found = safetensors.torch.load(weights)
    state = {name: t.to(expected[name].dtype) if name in expected else t for name, t in found.items()}
    try:
        graph.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"weights: {' '.join(str(error).split())[:200]}…") from None
    return graph


def _mirrored(ignored: np.ndarray, stride_px: int) -> np.ndarray:
    """As images are that lack part of a stride."""
    more = [(0, -side % stride_px if stride_px else 0) for side in ignored.shape]
    return np.pad(ignored, more, mode="reflect")

"""Model and score as one graph: what is run, and later exported, is this and nothing else."""

from torch import Tensor, nn

from urushi.errors import RecipeError
from urushi.models.base import Reconstructor
from urushi.scoring.base import Score


class ScoringGraph(nn.Module):
    """Images (B, C, H, W) in [0, 1] -> (reconstruction in the model's space, anomaly map (B, 1, H, W), score (B,)).

    Raises RecipeError if model and score do not go together.
    """

    def __init__(self, model: Reconstructor, score: Score) -> None:
        super().__init__()
        if score.looks_at_latents and not hasattr(model, "latents"):
            raise RecipeError("this score looks at the latent code, and this method has none; take another score.name")
        self.model, self.score = model, score

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.score_inputs(self.model.embed(images))

    def score_inputs(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from inputs that went through `model.embed` already."""
        pair = self.model.reconstruct(inputs)
        _, height, width = self.model.image_shape
        anomaly_map, score = self.score(pair, (height, width))
        return pair.reconstruction, anomaly_map, score

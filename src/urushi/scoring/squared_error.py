"""Squared error: the plainest residual, (x − x̂)² (METHODS §10)."""

from torch import Tensor

from urushi.models.base import Reconstruction
from urushi.scoring.base import Pooling, Score


class SquaredError(Score):
    """Averaged over channels; the image score is its sum, as in S2 (eq. 6.11)."""

    default_pooling: Pooling = "sum"

    def compare(self, pair: Reconstruction) -> Tensor:
        return (pair.original - pair.reconstruction).square().mean(dim=1, keepdim=True)

"""Squared error: the plainest residual, (x − x̂)² (METHODS §10)."""

from torch import Tensor

from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import Pooling, PoolingOption, Score, TopFraction


class SquaredError(Score):
    """Averaged over channels; the image score is its sum, as in S2."""

    default_pooling: Pooling = "sum"

    def __init__(self, space: Space, *, pooling: PoolingOption = None, top_fraction: TopFraction = 0.01) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction)

    def compare(self, pair: Reconstruction) -> Tensor:
        return (pair.original - pair.reconstruction).square().mean(dim=1, keepdim=True)

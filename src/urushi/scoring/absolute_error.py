"""Absolute error, |x − x̂|: less moved by single bright pixels than the squared error (METHODS §10)."""

from torch import Tensor

from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import PoolingOption, Score, TopFraction


class AbsoluteError(Score):
    """Averaged over channels; the image score is its mean."""

    def __init__(self, space: Space, *, pooling: PoolingOption = None, top_fraction: TopFraction = 0.01) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction)

    def compare(self, pair: Reconstruction) -> Tensor:
        return (pair.original - pair.reconstruction).abs().mean(dim=1, keepdim=True)

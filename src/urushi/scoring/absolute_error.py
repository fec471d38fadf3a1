"""Absolute error, |x − x̂|: less moved by single bright pixels than the squared error (METHODS §10)."""

from torch import Tensor

from urushi.models.base import Reconstruction
from urushi.scoring.base import Score


class AbsoluteError(Score):
    """Averaged over channels; the image score is its mean."""

    def compare(self, pair: Reconstruction) -> Tensor:
        return (pair.original - pair.reconstruction).abs().mean(dim=1, keepdim=True)

"""What a score is: from a reconstruction to an anomaly map and one number per image. Higher = more anomalous."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from urushi.models.base import Reconstruction, Space
from urushi.scoring._pooling import Pooling, PoolingOption, TopFraction, pool

__all__ = ["Pooling", "PoolingOption", "Score", "TopFraction", "enlarge"]


class Score(nn.Module, ABC):
    """A comparison of original and reconstruction. It gets the space it works in and, keyword-only, its options."""

    default_pooling: Pooling = "mean"

    def __init__(self, space: Space, *, pooling: Pooling | None = None, top_fraction: float = 0.01) -> None:
        super().__init__()
        self.space = space
        self.pooling, self.top_fraction = pooling or self.default_pooling, top_fraction

    @abstractmethod
    def compare(self, pair: Reconstruction) -> Tensor:
        """The residual at each place, (B, 1, h, w) at the reconstruction's own resolution."""

    def forward(self, pair: Reconstruction, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Anomaly map (B, 1, H, W) at the given size, and score (B,)."""
        residual = self.compare(pair)
        return enlarge(residual, size), pool(residual, self.pooling, self.top_fraction)


def enlarge(residual: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinearly to the size of the images; maps that have it already pass unchanged."""
    if tuple(residual.shape[-2:]) == tuple(size):
        return residual
    return F.interpolate(residual, size, mode="bilinear", align_corners=False)

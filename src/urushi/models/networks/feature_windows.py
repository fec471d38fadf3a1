"""Windows over a map of features: what is in them, and how normal images vary in that."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.models.base import Statistics
from urushi.models.networks.channel_statistics import LEAST_VARIANCE, rows_of

_LEAST_VARIANCE = 1e-8


class FeatureWindow(nn.Module):
    """Mean, deviation and maximum of each channel in square windows, and the directions in which they normally vary.

    Windows of `cells` a side lie half a side apart; 0 is one window over everything; 1 is each cell as it is. Of the
    map they see `channels`.
    """

    mean: Tensor
    deviation: Tensor
    projection: Tensor

    def __init__(self, channels: range, cells: int) -> None:
        super().__init__()
        self.channels, self.cells = channels, cells
        self.n_values = len(channels) * (1 if cells == 1 else 3)
        self.register_buffer("mean", torch.zeros(self.n_values))
        self.register_buffer("deviation", torch.ones(self.n_values))
        # The projector V·Vᵀ, not V: its shape does not depend on the data.
        self.register_buffer("projection", torch.zeros(self.n_values, self.n_values))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> standardised values and their projection, (B, J, h', w') each."""
        values = (self.values(features) - self.mean[:, None, None]) / self.deviation[:, None, None]
        return values, F.conv2d(values, self.projection[:, :, None, None])

    def values(self, features: Tensor) -> Tensor:
        """What is in each window, (B, J, h', w')."""
        seen = features[:, self.channels.start : self.channels.stop]
        if self.cells == 1:
            return seen
        sides = [min(self.cells or side, side) for side in seen.shape[2:]]
        steps = [max(1, side // 2) for side in sides]
        mean, square = (F.avg_pool2d(x, sides, steps) for x in (seen, seen.square()))
        deviation = (square - mean.square()).clamp_min(0).add(_LEAST_VARIANCE).sqrt()
        return torch.cat([mean, deviation, F.max_pool2d(seen, sides, steps)], dim=1)

    def statistics(self, features: Tensor) -> Statistics:
        """Number, sum (J,) and products (J, J) of what all windows of (B, C, h, w) hold, in double precision."""
        values = rows_of(self.values(features)).double()
        return torch.tensor(len(values)), values.sum(dim=0), values.T @ values

    def learn(self, statistics: Statistics, variance: float) -> None:
        """Keeps the directions that hold a share of the variance, each value scaled to variance 1."""
        count, total, products = statistics
        mean = total / count
        covariance = products / count - torch.outer(mean, mean)
        deviation = covariance.diagonal().clamp_min(LEAST_VARIANCE).sqrt()
        values, vectors = torch.linalg.eigh(covariance / torch.outer(deviation, deviation))
        kept = vectors.flip(1)[:, : _rank(values.flip(0), variance)]
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.projection.copy_(kept @ kept.T)


def _rank(values: Tensor, share: float) -> int:
    """How many of the eigenvalues, largest first, hold the given share of their sum."""
    held = values.clamp_min(0).cumsum(0) / values.clamp_min(0).sum()
    return min(int((held < share).sum()) + 1, len(values))

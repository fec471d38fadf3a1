"""One level of a feature pyramid: what is normal at each place, and in which directions normal images vary."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.models.base import Statistics
from urushi.models.networks.channel_statistics import rows_of

_LEAST_VARIANCE = 1e-8
_RIDGE = 0.1  # added to eigenvalues of the correlation: no direction counts more than ten times the whole


class FeatureLevel(nn.Module):
    """A map of features minus the mean at each place, in directions weighed by how little normal images vary in them.

    The directions are those of the correlation of what is left, pooled over places. With `variance` those that hold
    this share of it count nothing: it is the residual of a PCA. Without, each counts by the inverse of its variance, as
    in a Mahalanobis distance. The squared residual of normal images is 1 on average.
    """

    mean: Tensor
    deviation: Tensor
    weighting: Tensor
    unit: Tensor

    def __init__(self, shape: tuple[int, int, int], variance: float | None) -> None:
        super().__init__()
        self.shape, self.variance = shape, variance
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape[0], 1, 1))
        self.register_buffer("weighting", torch.zeros(shape[0], shape[0]))
        self.register_buffer("unit", torch.ones(()))  # of the residual, where standardised features are what is rebuilt

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the weighed residual (B, C, h, w)."""
        return F.conv2d((features - self.mean) / self.deviation, self.weighting[:, :, None, None])

    def pair(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised features and what they should have been, (B, C, h, w) each."""
        original = (features - self.mean.mean(dim=(1, 2), keepdim=True)) / self.deviation
        return original, original - self(features) / self.unit

    def statistics(self, features: Tensor) -> Statistics:
        """Number of images, sum at each place (C, h, w) and products of channels (C, C), in double precision."""
        rows = rows_of(features).double()
        return torch.tensor(len(features)), features.double().sum(dim=0), rows.T @ rows

    def learn(self, statistics: Statistics) -> None:
        """Everything from the sums of all images."""
        count, total, products = statistics
        mean = total / count
        centres = mean.flatten(1)
        covariance = (products - count * centres @ centres.T) / (count * centres.shape[1])
        deviation = covariance.diagonal().clamp_min(_LEAST_VARIANCE).sqrt()
        values, vectors = torch.linalg.eigh(covariance / torch.outer(deviation, deviation))
        weights = self._weights(values.clamp_min(0))
        self.mean.copy_(mean)
        self.deviation.copy_(deviation[:, None, None])
        self.weighting.copy_((vectors * weights.sqrt()) @ vectors.T)
        self.unit.copy_(weights.max().sqrt())

    def _weights(self, values: Tensor) -> Tensor:
        """Of directions with these eigenvalues, smallest first, so that normal residuals have length 1."""
        if self.variance is None:
            weights = 1 / (values + _RIDGE)
        else:
            left = values.cumsum(0) / values.sum().clamp_min(_LEAST_VARIANCE)
            weights = (left <= 1 - self.variance).to(values.dtype)
            weights[0] = 1
        return weights / (weights * values).sum().clamp_min(_LEAST_VARIANCE)

"""Zero-mean normalised cross-correlation: compares structure and ignores brightness and contrast (S2 eq. 6.20)."""

import torch
from torch import Tensor

from urushi.models.base import Reconstruction, Space
from urushi.scoring._moments import Window, local_mean, moments
from urushi.scoring.base import PoolingOption, Quantile, Score, TopFraction

LOCAL_NOISE = 1 / 255**2  # variance of one grey level: in a window, structure below it counts as none
GLOBAL_NOISE = 1e-10  # only decides on constant images


class Zncc(Score):
    """The map is 1 − local ZNCC in [0, 2]; the image score is 1 − max(0, ZNCC) of the whole image.

    Correlation is not defined for a constant image. Here two constant images, however bright, are alike, and a
    constant one and any other are unlike; in the map the same holds for windows. Channels are averaged.
    """

    def __init__(
        self,
        space: Space,
        *,
        window_px: Window = 11,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.window_px = window_px

    def compare(self, pair: Reconstruction) -> Tensor:
        return 1 - self._local(pair).mean(dim=1, keepdim=True)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:  # noqa: ARG002
        return 1 - global_zncc(pair).clamp(min=0)

    def _local(self, pair: Reconstruction) -> Tensor:
        # Centred as a whole first: E[x²] − E[x]² loses digits where the mean is large.
        a, b = (image - image.mean(dim=(2, 3), keepdim=True) for image in (pair.original, pair.reconstruction))
        moments_of_all = local_mean(torch.cat([a, b, a.square(), b.square(), a * b], dim=1), self.window_px)
        mean_a, mean_b, square_a, square_b, product = moments_of_all.chunk(5, dim=1)
        variances = square_a - mean_a.square(), square_b - mean_b.square()
        return correlation(*variances, product - mean_a * mean_b, LOCAL_NOISE)


def global_zncc(pair: Reconstruction) -> Tensor:
    """S2 eq. 6.20, averaged over channels: (B, C, H, W) twice -> (B,) in [−1, 1]."""
    _, variances, covariance = moments(pair)
    return correlation(*variances, covariance, GLOBAL_NOISE).mean(dim=1)


def correlation(variance_a: Tensor, variance_b: Tensor, covariance: Tensor, noise: float) -> Tensor:
    """Pearson's, as if both carried the same noise of a small variance: 1 where neither varies, 0 where one does."""
    scale = torch.sqrt((variance_a.clamp(min=0) + noise) * (variance_b.clamp(min=0) + noise))
    return ((covariance + noise) / scale).clamp(-1, 1)

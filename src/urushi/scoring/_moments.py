"""Means, variances and covariance of a pair, over whole images."""

from typing import NamedTuple

from torch import Tensor

from urushi.models.base import Reconstruction


class Moments(NamedTuple):
    """Of original and reconstruction, (B, C) each."""

    means: tuple[Tensor, Tensor]
    variances: tuple[Tensor, Tensor]
    covariance: Tensor


def moments(pair: Reconstruction) -> Moments:
    """Sample moments, divided by HW − 1 as in S2 §6.4.2; of a single pixel, the variances are zero."""
    a, b = pair.original.flatten(2), pair.reconstruction.flatten(2)
    means, n = (a.mean(dim=2), b.mean(dim=2)), max(1, a.shape[2] - 1)
    a, b = _centred(_centred(a)), _centred(_centred(b))  # twice, because the first mean is rounded
    return Moments(means, (a.square().sum(dim=2) / n, b.square().sum(dim=2) / n), (a * b).sum(dim=2) / n)


def _centred(flat: Tensor) -> Tensor:
    return flat - flat.mean(dim=2, keepdim=True)

"""Moments of a pair: over whole images, and local ones in a Gaussian window (σ = 1.5 px)."""

from typing import Annotated, NamedTuple

from kornia.filters import gaussian_blur2d
from pydantic import AfterValidator, Field
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


SIGMA_PX = 1.5


def _odd(side_px: int) -> int:
    if side_px % 2 == 0:
        raise ValueError("the window has a middle, so its side must be odd")
    return side_px


Window = Annotated[
    int, Field(ge=3, le=31, description="side of the Gaussian window (σ = 1.5), odd"), AfterValidator(_odd)
]


def local_mean(images: Tensor, window_px: int) -> Tensor:
    """(B, C, H, W) -> the same: the weighted mean round each place; the border is continued by its own values."""
    blurred: Tensor = gaussian_blur2d(images, (window_px, window_px), (SIGMA_PX, SIGMA_PX), border_type="replicate")
    return blurred

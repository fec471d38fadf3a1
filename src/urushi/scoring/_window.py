"""The Gaussian window of the local scores, σ = 1.5 px."""

from typing import Annotated

from kornia.filters import gaussian_blur2d
from pydantic import AfterValidator, Field
from torch import Tensor

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

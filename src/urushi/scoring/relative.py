"""A residual relative to local contrast: texture is hard to rebuild, and no more anomalous for that."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.recipe import Part
from urushi.scoring._inner import build_inner
from urushi.scoring.base import Pooling, PoolingOption, Quantile, Score, TopFraction

_SQUARED = Part(name="squared_error")
_PROBLEM = "cannot be made relative; take a score that only compares pixels"


class Relative(Score):
    """Another score's map, of image and reconstruction in units of the image's own contrast at each place.

    Both are divided by √(v + c), where v is the variance of the image in a square window, averaged over channels,
    and c that of the least contrast that counts as any. Of `squared_error` it gives (x − x̂)² / (v + c).
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels",)
    default_pooling: Pooling = "average_then_max"

    def __init__(
        self,
        space: Space,
        *,
        inner: Annotated[Part, Field(description="table of the score whose map it is, and its options")] = _SQUARED,
        window_px: Annotated[int, Field(ge=3, le=63, description="side of the window of the contrast, odd")] = 15,
        least_contrast: Annotated[
            float, Field(gt=0, le=1, description="standard deviation √c that counts as no contrast, of full scale")
        ] = 0.03,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        if window_px % 2 == 0:
            raise RecipeError(f"score.window_px = {window_px}: the window has a middle, so its side must be odd")
        self.window_px, self.least_contrast = window_px, least_contrast
        if inner.name == "relative":
            raise RecipeError(f"score.inner: relative {_PROBLEM}")
        self.inner = build_inner(inner, space, "score.inner", _PROBLEM)
        self.needs = self.inner.needs

    def compare(self, pair: Reconstruction) -> Tensor:
        scale = (self._variance(pair.original) + self.least_contrast**2).rsqrt()
        scaled = replace(pair, original=pair.original * scale, reconstruction=pair.reconstruction * scale)
        return self.inner.compare(scaled)

    def _variance(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W); the border is continued by its own values.

        Of each row of the window, then of the rows: E[x²] − E[x]² would lose digits where contrast is low.
        """
        mean, variance = _spread(self._neighbours(3, images))
        _, between = _spread(self._neighbours(2, mean))
        within = _mean(self._neighbours(2, variance))
        return (within + between).mean(dim=1, keepdim=True)

    def _neighbours(self, axis: int, images: Tensor) -> list[Tensor]:
        """Along an axis, one tensor for each place in the window."""
        half, length = self.window_px // 2, images.shape[axis]
        padded = F.pad(images, [half, half, 0, 0] if axis == 3 else [0, 0, half, half], mode="replicate")
        return [padded.narrow(axis, start, length) for start in range(self.window_px)]


def _mean(some: Sequence[Tensor]) -> Tensor:
    return sum(some[1:], start=some[0]) / len(some)


def _spread(some: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    mean = _mean(some)
    return mean, _mean([(one - mean).square() for one in some])

"""The residual at its worst place and over the whole image: where a part is missing, too little of it is left."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.models.base import Reconstruction, Space
from urushi.recipe import Part
from urushi.scoring._inner import build_inner
from urushi.scoring._normal_reference import NormalReference
from urushi.scoring.base import PoolingOption, Quantile, Score, TopFraction
from urushi.scoring.gmsd import Gmsd
from urushi.scoring.relative import Relative
from urushi.scoring.squared_error import SquaredError

_N_MAPS = 3
_POWERS = (0.25, 1.0, 2.0, 4.0)  # from what most of the image leaves to what little of it leaves
_N_SQUARES = 8  # across the image, of the largest average
_LEAST_RESIDUAL = 1e-8
_LEAST_DEVIATION = 0.01  # of a logarithm: a hundredth of the residual
_RIDGE = 0.03  # of standardised statistics
_RELATIVE = Part(name="relative")
_PROBLEM = "learns from normal images itself; take a score that only compares pixels"


class ResidualStatistics(Score):
    """Another score, and how unusual the residual is over the whole image, each in standard deviations above normal.

    Statistics u are logarithms: of the power means (mean rᵖ)^(1/p), p = ¼, 1, 2, 4, and of the largest average over a
    square of an eighth of the width, of three maps r: squared error, that of `relative` and that of `gmsd`. With d
    their standard deviations from the mean of normal images and C the correlation there, the distance is
    √(dᵀ(C + 0.03·1)⁻¹d). It counts both ways: a hole where a screw should be is easily rebuilt, and leaves less than
    normal. The map is that of the score within; a named pooling pools it instead.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels",)
    learns: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        inner: Annotated[Part, Field(description="table of the score that finds places, and its options")] = _RELATIVE,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.inner = build_inner(inner, space, "score.inner", _PROBLEM)
        self.needs = self.inner.needs
        self.relative = self.inner if inner == _RELATIVE else Relative(space)
        self.squared_error, self.gmsd = SquaredError(space), Gmsd(space)
        self.reference = NormalReference(2, owner="residual_statistics", remedy="take another score")
        n = _N_MAPS * (len(_POWERS) + 1)
        for name, shape in (("mean", (n,)), ("deviation", (n,)), ("precision", (n, n))):
            self.register_buffer(name, torch.full(shape, torch.nan))

    mean: Tensor
    deviation: Tensor
    precision: Tensor

    def compare(self, pair: Reconstruction) -> Tensor:
        return self.inner.compare(pair)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        self.reference.require_fitted()
        return self.reference.z_scores(self._summands(*self._seen(pair, residual))).sum(dim=1)

    @torch.no_grad()
    def fit(
        self,
        normal: Iterable[Reconstruction],
        size: tuple[int, int],  # noqa: ARG002
        defects: Iterable[Reconstruction] = (),  # noqa: ARG002
    ) -> None:
        """Learns from the residuals of normal images; raises CalibrationError if they are too few or all alike."""
        seen = [self._seen(pair, self.compare(pair)) for pair in normal]
        self.reference.require_images(sum(len(local) for local, _ in seen))
        local, statistics = (torch.cat(some) for some in zip(*seen, strict=True))
        self._take(statistics.cpu().double())
        self.reference.fit(self._summands(local, statistics), ("score.inner", "distance of the residual's statistics"))

    def _take(self, statistics: Tensor) -> None:
        deviation, mean = torch.std_mean(statistics, dim=0)
        deviation = deviation.clamp(min=_LEAST_DEVIATION)
        standard = (statistics - mean) / deviation
        correlation = standard.T @ standard / len(standard)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.precision.copy_(torch.linalg.inv(correlation + _RIDGE * torch.eye(len(mean), dtype=mean.dtype)))

    def _summands(self, local: Tensor, statistics: Tensor) -> Tensor:
        """(B,) and (B, n) -> (B, 2): the score within, and the distance of the statistics from normal ones."""
        away = (statistics - self.mean) / self.deviation
        distance = (((away @ self.precision) * away).sum(dim=1) + 1e-12).sqrt()
        return torch.stack([local, distance], dim=1)

    def _seen(self, pair: Reconstruction, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The score within (B,), and the statistics (B, n) of all three maps."""
        relative = residual if self.relative is self.inner else self.relative.compare(pair)
        maps = (self.squared_error.compare(pair), relative, self.gmsd.compare(pair))
        statistics = torch.stack([value for one in maps for value in self._statistics(one)], dim=1)
        return self.inner.number(pair, residual), statistics

    def _statistics(self, residual: Tensor) -> list[Tensor]:
        flat = residual.flatten(1) if self.inspected is None else self.inspected.of(residual).flatten(1)
        means = [(flat + _LEAST_RESIDUAL).pow(power).mean(dim=1).log() / power for power in _POWERS]
        counted = residual if self.inspected is None else self.inspected.only(residual)
        squares = F.avg_pool2d(counted, max(1, round(min(residual.shape[-2:]) / _N_SQUARES)))
        return [*means, (squares.flatten(1).amax(dim=1) + _LEAST_RESIDUAL).log()]

"""Fusion: several scores as one, each measured against what it gives on normal images (S2 §7.2.1)."""

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.errors import CalibrationError, RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.recipe import Part
from urushi.scoring import _combination
from urushi.scoring._combination import Combination
from urushi.scoring._inner import build_inner
from urushi.scoring._normal_reference import NormalReference
from urushi.scoring.base import PoolingOption, Quantile, Score, TopFraction

_PROBLEM = "is fitted to normal images itself and can't be fused"
DEFAULT_SCORES = (Part(name="squared_error"), Part(name="ssim"))


class Fusion(Score):
    """The image scores of its parts are brought to one scale and combined; a named pooling pools the map instead.

    `z_score` counts standard deviations above the mean of normal images, `p_value` gives −ln p, where p is the share of
    normal images with a higher score. `mean` and `max` combine these; `fisher` gives −ln of Fisher's combined p-value,
    which ranks as `mean` does; `learned` weighs by a logistic regression on labelled defects and gives its logit.

    The map is the mean of the parts' maps in standard deviations above the mean of normal maps, weighted if there are
    learned weights, of which negative ones count as zero. It is negative where an image is more normal than most.
    """

    learns: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        scores: Annotated[
            Sequence[Part], Field(min_length=2, description="tables of a score's name and its options")
        ] = DEFAULT_SCORES,
        normalisation: Annotated[
            Literal["z_score", "p_value"], Field(description="how scores come to one scale")
        ] = "z_score",
        combination: Annotated[
            Combination, Field(description="fisher needs p_value; learned needs labelled defects")
        ] = "mean",
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        if combination == "fisher" and normalisation != "p_value":
            raise RecipeError("score.combination = 'fisher' combines p-values: set score.normalisation = 'p_value'")
        self.normalisation, self.combination, self.needs_defects = normalisation, combination, combination == "learned"
        self.names = [part.name for part in scores]
        self.parts = nn.ModuleList(
            build_inner(part, space, f"score.scores.{number}", _PROBLEM) for number, part in enumerate(scores)
        )
        self.reference = NormalReference(len(scores), owner="a fusion", remedy="leave it out of score.scores")
        self.register_buffer("map_mean", torch.full((len(scores),), torch.nan))
        self.register_buffer("map_deviation", torch.full((len(scores),), torch.nan))
        self.register_buffer("weights", torch.full((len(scores),), 1 / len(scores)))
        self.register_buffer("offset", torch.zeros(()))

    map_mean: Tensor
    map_deviation: Tensor
    weights: Tensor
    offset: Tensor

    def compare(self, pair: Reconstruction) -> Tensor:
        return self(pair, tuple(pair.original.shape[-2:]))[0]  # type: ignore[no-any-return]

    def forward(self, pair: Reconstruction, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Anomaly map (B, 1, H, W) at the given size, and score (B,); raises CalibrationError before `fit`."""
        self.reference.require_fitted()
        maps, scores = self._run(pair, size)
        fused = self._fused(maps)
        return fused, self.pooled(fused, self.pooling) if self.pooling else self._combined(self._normalised(scores))

    @torch.no_grad()
    def fit(
        self, normal: Iterable[Reconstruction], size: tuple[int, int], defects: Iterable[Reconstruction] = ()
    ) -> None:
        """Learns scale and weights; raises CalibrationError if images are too few or alike, or defects are missing."""
        known, map_sums = [], []
        for pair in normal:
            maps, scores = self._run(pair, size)
            known.append(scores)
            map_sums.append(
                _sums(maps if self.inspected is None else self.inspected.of(maps))
            )  # not the maps, which would fill the memory
        scores = torch.cat([self.weights.new_zeros(0, len(self.parts)), *known])
        self.reference.fit(scores, self.names)
        self._take_maps(*torch.stack(map_sums).sum(dim=0))
        if self.needs_defects:
            self._learn(scores, [self._run(pair, size)[1] for pair in defects])

    def _take_maps(self, n_values: Tensor, total: Tensor, squares: Tensor) -> None:
        mean = total / n_values
        variance = (squares / n_values - mean.square()).clamp(min=1e-24)  # of a map that never varies, too
        self.map_mean.copy_(mean)
        self.map_deviation.copy_(variance.sqrt())

    def _learn(self, normal: Tensor, defects: list[Tensor]) -> None:
        if not defects:
            raise CalibrationError(
                "score.combination = 'learned' needs images of defects; give them with --defects DIR, or take mean"
            )
        normalised = [self._normalised(scores).double().cpu().numpy() for scores in (normal, torch.cat(defects))]
        weights, offset = _combination.learn(*normalised)
        self.weights.copy_(torch.from_numpy(weights))
        self.offset.fill_(offset)

    def _run(self, pair: Reconstruction, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Maps (B, K, H, W) and scores (B, K) of the parts."""
        maps, scores = zip(*(part(pair, size) for part in self.parts), strict=True)
        return torch.cat(maps, dim=1), torch.stack(scores, dim=1)

    def _normalised(self, scores: Tensor) -> Tensor:
        return self.reference.z_scores(scores) if self.normalisation == "z_score" else self.reference.surprises(scores)

    def _combined(self, normalised: Tensor) -> Tensor:
        if self.combination == "max":
            return normalised.amax(dim=1)
        if self.combination == "fisher":
            return _combination.fisher(normalised)
        return normalised @ self.weights + self.offset  # without learning, equal weights

    def _fused(self, maps: Tensor) -> Tensor:
        shares = self.weights.clamp(min=0) + 1e-12  # equal where no weight is positive
        standard = (maps - self.map_mean[:, None, None]) / self.map_deviation[:, None, None]
        return (standard * (shares / shares.sum())[:, None, None]).sum(dim=1, keepdim=True)


def _sums(maps: Tensor) -> Tensor:
    """Number, sum and sum of squares of the values of each part's maps: (B, K, …) -> (3, K)."""
    wide = maps.cpu().double().transpose(0, 1).flatten(1)  # the CPU, because not every device has doubles
    return torch.stack([torch.ones_like(wide).sum(dim=1), wide.sum(dim=1), wide.square().sum(dim=1)])

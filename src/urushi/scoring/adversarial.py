"""The scores of GANs and BiGANs (S3): what a discriminator says, joined with the reconstruction error."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from urushi.models.base import Extra, Reconstruction, Space
from urushi.scoring.base import PoolingOption, Quantile, Score, TopFraction, enlarge

Opinion = Literal["posterior", "features", "likelihood"]
_LOOKED_AT: dict[Opinion, Extra] = {"posterior": "critique", "features": "perceived", "likelihood": "latents"}


class Adversarial(Score):
    """Image score (1 − α)·R + α·O, map the same place by place; with `features`, which know no place, the map is R.

    R is the squared error. O by `opinion`: `posterior` is the discriminator's critique, 1 − D or (D − 1)²; `features`
    is the distance of image and reconstruction in the method's own features, and R then is ‖G(E(s)) − s‖₂ as in S3's
    A(s); `likelihood` is −ln of the prior's density at E(s) per dimension, up to a constant.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels",)

    def __init__(
        self,
        space: Space,
        *,
        alpha: Annotated[
            float, Field(ge=0, le=1, description="share of the opinion; 0: the reconstruction alone")
        ] = 0.5,
        opinion: Annotated[Opinion, Field(description="what joins the reconstruction error")] = "posterior",
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.alpha, self.opinion = alpha, opinion
        self.needs = frozenset({_LOOKED_AT[opinion]}) if alpha else frozenset()

    def compare(self, pair: Reconstruction) -> Tensor:
        residual = (pair.original - pair.reconstruction).square().mean(dim=1, keepdim=True)
        if self.alpha == 0 or self.opinion == "features":
            return residual
        opinion = enlarge(self._opinion(pair), (residual.shape[2], residual.shape[3]))
        return (1 - self.alpha) * residual + self.alpha * opinion

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        if self.opinion != "features":
            return self.pooled(residual, self.default_pooling)
        error: Tensor = (pair.original - pair.reconstruction).flatten(1).norm(dim=1)
        return (1 - self.alpha) * error + self.alpha * self._looked_at(pair) if self.alpha else error

    def _opinion(self, pair: Reconstruction) -> Tensor:
        """Of each place, (B, 1, h, w)."""
        found = self._looked_at(pair)
        if self.opinion == "posterior":
            return found
        z: Tensor = found.reshape(*found.shape[:2], *(found.shape[2:] or (1, 1)))
        return 0.5 * z.square().mean(dim=1, keepdim=True)

    def _looked_at(self, pair: Reconstruction) -> Tensor:
        """What the opinion is made of; that the method has it was checked by ScoringGraph."""
        found = getattr(pair, _LOOKED_AT[self.opinion])
        assert isinstance(found, Tensor)
        return found

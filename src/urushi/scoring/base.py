"""What a score is: from a reconstruction to an anomaly map and one number per image. Higher = more anomalous."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from urushi.errors import RecipeError
from urushi.models.base import Extra, Reconstruction, Space
from urushi.scoring._inspected import Inspected
from urushi.scoring._pooling import Pooling, PoolingOption, Quantile, TopFraction, pool

__all__ = ["Pooling", "PoolingOption", "Quantile", "Score", "TopFraction", "enlarge"]


class Score(nn.Module, ABC):
    """A comparison of original and reconstruction. It gets the space it works in and, keyword-only, its options.

    A saved detector is rebuilt on the meta device and then given its state: `__init__` may not read values of tensors,
    every tensor is a parameter or a persistent buffer, and no shape depends on data.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels", "features")  # where it makes sense
    learns: ClassVar[bool] = False  # True: `fit` comes before use
    needs: frozenset[Extra] = frozenset()  # what it looks at besides the pair; refused where a method has none
    needs_defects: bool = False  # True: `fit` needs reconstructions of defective images, too
    default_pooling: Pooling = "mean"
    inspected: Inspected | None = None  # the places that count; None: all

    def __init__(
        self,
        space: Space,
        *,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__()
        if space not in self.spaces:
            name, takes = type(self).__module__.rpartition(".")[2], " or ".join(self.spaces)
            raise RecipeError(
                f"the score {name} compares {takes}, but the model rebuilds {space}; "
                "take another score, such as squared_error"
            )
        self.space = space
        self.pooling, self.top_fraction, self.quantile = pooling, top_fraction, quantile

    @property
    def adds_perceived(self) -> bool:
        """Whether what a method perceives beside the map is a summand of the score."""
        return False

    @abstractmethod
    def compare(self, pair: Reconstruction) -> Tensor:
        """The residual at each place, (B, 1, h, w) at the reconstruction's own resolution."""

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:  # noqa: ARG002
        """The score (B,) where no pooling is named; a subclass may have one that is no pooled residual."""
        return self.pooled(residual, self.default_pooling)

    def pooled(self, residual: Tensor, pooling: Pooling) -> Tensor:
        """A map (B, 1, h, w) as one number per image (B,)."""
        return pool(residual, pooling, self.top_fraction, self.quantile, self.inspected)

    def look_at(self, inspected: Inspected | None) -> None:
        """Has nothing else than these places count, in scores that it is made of, too."""
        for module in self.modules():
            if isinstance(module, Score):
                module.inspected = inspected

    def forward(self, pair: Reconstruction, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Anomaly map (B, 1, H, W) at the given size, and score (B,)."""
        residual = self.compare(pair)
        return enlarge(residual, size), self.number(pair, residual)

    def number(self, pair: Reconstruction, residual: Tensor) -> Tensor:
        """The score (B,) of a map of its own, by the named pooling if there is one."""
        return self.pooled(residual, self.pooling) if self.pooling else self.image_score(pair, residual)

    def fit(
        self, normal: Iterable[Reconstruction], size: tuple[int, int], defects: Iterable[Reconstruction] = ()
    ) -> None:
        """Learns what normal images give, from batches of them, once, before use; most scores have nothing to learn.

        `size` is that of the images, (H, W). None may be held out for calibration; those that the model was trained on
        are rebuilt a little too well, so that the scale comes out a little too narrow.
        """


def enlarge(residual: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinearly to the size of the images; maps that have it already pass unchanged."""
    if tuple(residual.shape[-2:]) == tuple(size):
        return residual
    return F.interpolate(residual, size, mode="bilinear", align_corners=False)

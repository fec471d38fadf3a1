"""Rebuilds the features of a pretrained network instead of pixels (METHODS §9; S4 eq. 3 taken further)."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from urushi.errors import RecipeError
from urushi.models._frozen_features import BlocksOption, FrozenFeatures, NetworkOption, PicturesOption, StrideOption
from urushi.models.base import Extra, Reconstruction, Statistics, added
from urushi.models.networks.feature_memory import FeatureMemory
from urushi.models.networks.feature_windows import FeatureWindow

_MEMORY = 2048  # cells, where their number is not named
_WORST = 0.02  # share of cells that tell what kind of defect it is


class FeatureReconstruction(FrozenFeatures):
    """Rebuilds features by what normal images have; what cannot be rebuilt is not normal.

    `pca` projects them onto the directions in which normal images vary, `nearest` takes the most similar cell of a
    memory. The chosen blocks' features are brought to one grid and joined. What windows of each size see of them is
    standardised on the normal training images, and principal components that hold `variance` of the whole are kept;
    the map is that of single cells, which tells where a scratch is; larger windows have a say in the score of an image
    alone, since a texture that is too coarse is nowhere in particular. The picture that is shown is the most similar
    one of some normal images.
    """

    is_closed_form = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        kind: Annotated[
            Literal["pca", "nearest"], Field(description="pca: linear; nearest: the most similar cell of a memory")
        ] = "pca",
        memory: Annotated[
            int | None, Field(gt=0, le=100_000, description="cells that `nearest` remembers; None: 2,048")
        ] = None,
        backbone: NetworkOption = "efficientnet_lite0",
        blocks: BlocksOption = None,
        stride: StrideOption = 16,
        windows: Annotated[
            Sequence[Annotated[int, Field(ge=0)]],
            Field(
                description="sides in cells of windows whose mean, deviation and maximum are rebuilt beside the cells, "
                "for the score; 0: the whole image"
            ),
        ] = (4, 0),
        window_blocks: Annotated[
            Sequence[int] | None,
            Field(description="those of the blocks that windows see; None: all but the first and the last"),
        ] = None,
        variance: Annotated[float, Field(gt=0, le=1, description="share of the variance that is kept")] = 0.99,
        pictures: PicturesOption = 64,
    ) -> None:
        super().__init__(image_shape, backbone, blocks, stride, pictures)
        self.variance = variance
        self.cells = _cells(kind, self.n_channels, memory)
        self.windows = nn.ModuleList(FeatureWindow(self._channels(window_blocks), w) for w in windows)

    @property
    def gives(self) -> frozenset[Extra]:
        """What is perceived in windows, where there are any, beside the latents."""
        return frozenset({"latents", "perceived"} if len(self.windows) else {"latents"})

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        """Of the cells; `perceived` is the highest mean squared residual of windows of each size, summed over sizes."""
        original, rebuilt = self.cells(inputs)
        pairs = [window(inputs) for window in self.windows]
        residuals = [(a - b).square().mean(dim=1).flatten(1).amax(dim=1) for a, b in pairs]
        return Reconstruction(original, rebuilt, perceived=torch.stack(residuals).sum(dim=0) if residuals else None)

    def latents(self, inputs: Tensor) -> Tensor:
        """What differs where most differs: the mean residual of the 2 % worst cells, (B, C)."""
        pair = self.reconstruct(inputs)
        residual = (pair.original - pair.reconstruction).flatten(2)
        n_cells = max(1, round(_WORST * residual.shape[2]))
        worst = residual.square().sum(dim=1, keepdim=True).topk(n_cells, dim=2).indices
        return residual.gather(2, worst.expand(-1, residual.shape[1], -1)).mean(dim=2)

    @property
    def is_additive(self) -> bool:  # type: ignore[override]
        """As long as no memory of cells is kept."""
        return isinstance(self.cells, FeatureWindow)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """One pass over the data, and two more for a memory."""
        if isinstance(self.cells, FeatureMemory):
            self.cells.fit(batches)
        if self._linear:
            self.learn(added(map(self.statistics, batches)))

    def statistics(self, inputs: Tensor) -> Statistics:
        return tuple(tensor for part in self._linear for tensor in part.statistics(inputs))

    def learn(self, statistics: Statistics) -> None:
        for number, part in enumerate(self._linear):
            part.learn(statistics[3 * number : 3 * number + 3], self.variance)

    @property
    def _linear(self) -> list[FeatureWindow]:
        """What is rebuilt by principal components."""
        return [part for part in (self.cells, *self.windows) if isinstance(part, FeatureWindow)]

    def _channels(self, blocks: Sequence[int] | None) -> range:
        """Where these blocks lie in the joined features."""
        taken = self.backbone.taken
        blocks = (taken[1:-1] or taken) if blocks is None else blocks
        places = [taken.index(block) for block in sorted(blocks) if block in taken]
        if not blocks or len(places) < len(blocks) or places != list(range(places[0], places[-1] + 1)):
            raise RecipeError(f"model.window_blocks = {list(blocks)}: take some neighbours of blocks {list(taken)}")
        ends = [0, *accumulate(self.backbone.channels)]
        return range(ends[places[0]], ends[places[-1] + 1])


def _cells(kind: str, n_channels: int, memory: int | None) -> FeatureWindow | FeatureMemory:
    if kind == "nearest":
        return FeatureMemory(n_channels, memory or _MEMORY)
    if memory is not None:
        raise RecipeError(f"model.memory = {memory}: only model.kind = nearest has one; leave it out")
    return FeatureWindow(range(n_channels), 1)

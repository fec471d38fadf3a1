"""Rebuilds the features of a pretrained network by a network of its own, trained by gradient steps (METHODS §9)."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from urushi.models._frozen_features import BlocksOption, NetworkOption, PicturesOption, WeightsOption
from urushi.models._joined_features import (
    JoinedFeatures,
    StrideOption,
    WindowBlocksOption,
    WindowsOption,
)
from urushi.models.base import Reconstruction, added
from urushi.models.networks.channel_statistics import channel_statistics
from urushi.models.networks.feature_windows import FeatureWindow


class FeatureAutoencoder(JoinedFeatures):
    """Squeezes standardised features through a bottleneck that normal ones pass and others do not.

    `autoencoder` takes each cell by itself, by 1×1 convolutions, and learns by the squared error. `distillation` has a
    student, which sees the frozen network's features only through a coarser map of few channels and restores them for
    all blocks at once, by the cosine of the angle between them in each block, as in reverse distillation. Windows are
    rebuilt by PCA, as in `feature_reconstruction`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        kind: Annotated[
            Literal["autoencoder", "distillation"],
            Field(description="autoencoder: each cell by itself; distillation: a student restores what it saw coarser"),
        ] = "autoencoder",
        bottleneck: Annotated[int, Field(ge=1, le=4096, description="channels of the narrowest map")] = 64,
        backbone: NetworkOption = "efficientnet_lite0",
        backbone_weights: WeightsOption = "inside",
        blocks: BlocksOption = None,
        stride: StrideOption = 16,
        windows: WindowsOption = (4, 0),
        window_blocks: WindowBlocksOption = None,
        variance: Annotated[float, Field(gt=0, le=1, description="share of the variance that windows keep")] = 0.99,
        pictures: PicturesOption = 64,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape, backbone, backbone_weights, blocks, stride, windows, window_blocks, pictures)
        self.kind, self.variance, self.learning_rate = kind, variance, learning_rate
        self.register_buffer("mean", torch.zeros(self.n_channels, 1, 1))
        self.register_buffer("deviation", torch.ones(self.n_channels, 1, 1))
        build = _cell_by_cell if kind == "autoencoder" else _student
        self.encoder, self.decoder = build(self.n_channels, bottleneck)

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        """Mean and deviation of each channel; the windows whole."""
        _, mean, deviation = channel_statistics(batches)
        self.mean.copy_(mean[:, None, None])
        self.deviation.copy_(deviation[:, None, None])
        for window in self.windows:
            assert isinstance(window, FeatureWindow)
            window.learn(added(map(window.statistics, batches)), self.variance)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        original, rebuilt = self._pair(inputs)
        return Reconstruction(original, rebuilt, perceived=self.perceived(inputs))

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        original, rebuilt = self._pair(inputs)
        yield "autoencoder", F.mse_loss(rebuilt, original)

    def _pair(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Of unit length in each block where directions are compared, so that a squared error is 2 − 2 cos."""
        values = (inputs - self.mean) / self.deviation
        rebuilt = self.decoder(self.encoder(values))[..., : self.grid[0], : self.grid[1]]
        if self.kind == "autoencoder":
            return values, rebuilt
        return self._directions(values), self._directions(rebuilt)

    def optimizers(self) -> dict[str, Optimizer]:
        learnt = [*self.encoder.parameters(), *self.decoder.parameters()]
        return {"autoencoder": Adam(learnt, lr=self.learning_rate)}

    def _directions(self, features: Tensor) -> Tensor:
        """Each block's vector brought to the length √C of its channels, so that a channel's mean square is 1."""
        parts = torch.split(features, self.backbone.channels, dim=1)
        return torch.cat([F.normalize(part, dim=1, eps=1e-6) * part.shape[1] ** 0.5 for part in parts], dim=1)


def _cell_by_cell(channels: int, bottleneck: int) -> tuple[nn.Module, nn.Module]:
    wide = max(bottleneck, channels // 2)
    encoder = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.GELU(), nn.Conv2d(wide, bottleneck, 1))
    return encoder, nn.Sequential(nn.Conv2d(bottleneck, wide, 1), nn.GELU(), nn.Conv2d(wide, channels, 1))


def _student(channels: int, bottleneck: int) -> tuple[nn.Module, nn.Module]:
    """Half the resolution in between; a grid of odd size comes back a cell too large."""
    wide = max(bottleneck, channels // 4)
    encoder = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.GELU(), nn.Conv2d(wide, bottleneck, 3, 2, 1))
    decoder = nn.Sequential(
        nn.ConvTranspose2d(bottleneck, wide, 4, 2, 1),
        nn.GELU(),
        nn.Conv2d(wide, wide, 3, 1, 1),
        nn.GELU(),
        nn.Conv2d(wide, channels, 1),
    )
    return encoder, decoder

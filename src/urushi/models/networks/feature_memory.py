"""Normal features by heart: each cell is rebuilt by the nearest one in memory."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from urushi.models.networks.channel_statistics import channel_statistics, rows_of

_MOST_CANDIDATES = 39_989  # cells among which the memory is chosen; a prime, so that no column is left out
_N_DIRECTIONS = 64  # random ones, in which cells are compared while it is chosen


class FeatureMemory(nn.Module):
    """`n_cells` standardised feature vectors that cover those of normal images as evenly as may be.

    A coreset: each next cell is the one that is farthest from all that were taken (k-center, greedily).
    """

    mean: Tensor
    deviation: Tensor
    cells: Tensor

    def __init__(self, n_channels: int, n_cells: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("deviation", torch.ones(n_channels))
        self.register_buffer("cells", torch.zeros(n_cells, n_channels))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> standardised features and, for each cell, the nearest in memory, (B, C, h, w) each."""
        values = (features - self.mean[:, None, None]) / self.deviation[:, None, None]
        products = torch.einsum("bchw,nc->bnhw", values, self.cells)
        nearest = (self.cells.square().sum(dim=1)[:, None, None] - 2 * products).argmin(dim=1)  # (B, h, w)
        return values, self.cells[nearest].movedim(-1, 1)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Two passes: scale, then a sample of all cells, of which those in memory are chosen."""
        n, mean, deviation = channel_statistics(batches)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        candidates = self._candidates(batches, n)
        chosen = _coreset(candidates, min(len(self.cells), len(candidates)))
        again = torch.arange(len(self.cells), device=chosen.device) % len(chosen)
        self.cells.copy_(candidates[chosen[again]])

    def _candidates(self, batches: Iterable[Tensor], n: int) -> Tensor:
        """Of n cells as many as may be, evenly spread, standardised."""
        most, offset, found = min(n, _MOST_CANDIDATES), 0, []
        for rows in map(rows_of, batches):
            places = torch.arange(offset, offset + len(rows) + 1, device=rows.device) * most // n
            found.append((rows[places.diff() > 0] - self.mean) / self.deviation)
            offset += len(rows)
        return torch.cat(found)


def _coreset(candidates: Tensor, n: int) -> Tensor:
    """Places of n of the rows, the first one and then always the farthest."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(candidates.shape[1], _N_DIRECTIONS, generator=generator).to(candidates)
    points = candidates @ directions
    chosen = [0]
    distances = (points - points[0]).square().sum(dim=1)
    while len(chosen) < n:
        chosen.append(int(distances.argmax()))
        distances = torch.minimum(distances, (points - points[chosen[-1]]).square().sum(dim=1))
    return torch.tensor(chosen, device=candidates.device)

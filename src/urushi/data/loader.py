"""Batches of prepared inputs for the trainer; the one file in this room that knows torch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler


class Rows(Dataset[Tensor]):
    """Some rows of a cached array (n, …) float32, fetched a batch at a time."""

    def __init__(self, array: np.ndarray, indices: np.ndarray) -> None:
        self.array, self.indices = array, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitems__(self, positions: list[int]) -> Tensor:
        """A whole batch at once, so that nothing has to be stacked."""
        return torch.from_numpy(np.asarray(self.array[self.indices[positions]]))

    def batches(self, size: int, device: str = "cpu") -> "Batches":
        """The rows in order, re-iterable."""
        return Batches(self, size, device)


class Batches:
    """Consecutive batches; can be iterated as often as a closed-form fit likes."""

    def __init__(self, rows: Rows, size: int, device: str) -> None:
        self.rows, self.size, self.device = rows, size, device

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self.rows), self.size):
            yield self.rows.__getitems__(list(range(start, min(start + self.size, len(self.rows))))).to(self.device)


def loader(rows: Rows, batch_size: int, *, seed: int, n_replicas: int, rank: int, shuffle: bool) -> DataLoader[Tensor]:
    """A loader whose order depends on seed and epoch only, so that a resumed run sees what the first would have seen.

    A last batch of one image is left out of that epoch: batch statistics of a single one are undefined.
    """
    sampler: DistributedSampler[Tensor] = DistributedSampler(rows, n_replicas, rank, shuffle=shuffle, seed=seed)
    lonely = shuffle and len(rows) > 1 and len(sampler) % batch_size == 1
    return DataLoader(rows, batch_size, sampler=sampler, collate_fn=_as_it_is, drop_last=lonely)


def _as_it_is(batch: Any) -> Tensor:
    found: Tensor = batch
    return found

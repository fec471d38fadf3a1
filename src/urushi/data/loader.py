"""Batches of prepared inputs for the trainer; the one file in this room that knows torch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

Vary = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # (rows (B, …), their indices, epoch) -> (B, …)


class Rows(Dataset[Tensor]):
    """Some rows of a cached array (n, …) float32, fetched a batch at a time and, where asked for, varied by epoch."""

    def __init__(self, array: np.ndarray, indices: np.ndarray, vary: Vary | None = None) -> None:
        self.array, self.indices, self.vary, self.epoch = array, indices, vary, 0

    def __len__(self) -> int:
        return len(self.indices)

    def __getitems__(self, positions: list[int]) -> Tensor:
        """A whole batch at once, so that nothing has to be stacked."""
        indices = self.indices[positions]
        rows = np.asarray(self.array[indices])
        return torch.from_numpy(self.vary(rows, indices, self.epoch) if self.vary else rows)

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
    sampler = _Sampler(rows, n_replicas, rank, shuffle=shuffle, seed=seed)
    lonely = shuffle and len(rows) > 1 and len(sampler) % batch_size == 1
    return DataLoader(rows, batch_size, sampler=sampler, collate_fn=_as_it_is, drop_last=lonely)


class _Sampler(DistributedSampler[Tensor]):
    """Tells the rows the epoch, which the trainer tells the sampler only."""

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self.dataset.epoch = epoch  # type: ignore[attr-defined]


def _as_it_is(batch: Any) -> Tensor:
    found: Tensor = batch
    return found

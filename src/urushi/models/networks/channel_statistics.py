"""Mean and deviation of each channel over all places of all batches."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-12  # what never moves stays unscaled noise


class ChannelStatistics(NamedTuple):
    """Of C channels over n places; mean and deviation (C,) in double precision."""

    n: int
    mean: Tensor
    deviation: Tensor


def rows_of(features: Tensor) -> Tensor:
    """(B, C, …) -> one row for each place, (B·…, C)."""
    return features.movedim(1, -1).flatten(0, -2)


def channel_statistics(batches: Iterable[Tensor]) -> ChannelStatistics:
    """One pass over batches (B, C, …), whose sizes do not matter."""
    n, total, squares = 0, torch.zeros(()), torch.zeros(())
    for features in batches:
        rows = rows_of(features).double()
        n, total, squares = n + len(rows), total + rows.sum(0), squares + rows.square().sum(0)
    mean = total / n
    return ChannelStatistics(n, mean, (squares / n - mean.square()).clamp_min(LEAST_VARIANCE).sqrt())

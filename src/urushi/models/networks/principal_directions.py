"""Principal components of few rows of many values."""

from collections.abc import Iterator

import torch
from torch import Tensor

from urushi.errors import DatasetError

_N_COLUMNS = 8192  # at a time, in double precision
_LEAST = 1e-10  # of the largest eigenvalue: what is less is rounding


def learn_directions(mean: Tensor, directions: Tensor, rows: Tensor, share: float = 1.0, *, method: str) -> None:
    """Writes mean (J,) and principal directions (k, J) of rows (n, J) into what a method keeps, zeros beyond them.

    Raises DatasetError for one row alone.
    """
    if len(rows) < 2:
        raise DatasetError(
            f"Only one image was left to learn from, and {method} learns how good images differ. "
            "Give at least 3 good images, better 20."
        )
    middle, found = principal_directions(rows, len(directions), share)
    mean.copy_(middle)
    directions.zero_()
    directions[: len(found)] = found.to(directions.dtype)


def principal_directions(rows: Tensor, n_most: int, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """The mean (J,) of rows (n, J) and the directions (k, J) that hold a share of their variance, most of it first.

    k ≤ n_most. By the products of rows, n × n, as of principal components where n < J: exact, in double precision.
    """
    mean = rows.mean(dim=0, dtype=torch.float64)
    products = sum((one @ one.T for one in _centred(rows, mean)), start=mean.new_zeros(len(rows), len(rows)))
    values, vectors = torch.linalg.eigh(products)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    held = values.cumsum(0) / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    n_kept = min(n_most, int((held < share).sum()) + 1, int((values > _LEAST * values[0]).sum()))
    mixing = (vectors[:, :n_kept] / values[:n_kept].sqrt()).T
    return mean, torch.cat([mixing @ one for one in _centred(rows, mean)], dim=1)


def _centred(rows: Tensor, mean: Tensor) -> Iterator[Tensor]:
    """Some columns after others, so that all in double precision are never there at once."""
    for some, middle in zip(torch.split(rows, _N_COLUMNS, dim=1), torch.split(mean, _N_COLUMNS), strict=True):
        yield some.double() - middle

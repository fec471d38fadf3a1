"""From an anomaly map to one number (METHODS §10)."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.scoring._inspected import Inspected

Pooling = Literal["mean", "max", "sum", "deviation", "top", "quantile", "average_then_max"]
PoolingOption = Annotated[Pooling | None, Field(description="how the map becomes one number; None: the score's own")]
TopFraction = Annotated[float, Field(gt=0, le=1, description="share of the map that pooling `top` averages")]
Quantile = Annotated[float, Field(ge=0, le=1, description="share of the map below what pooling `quantile` gives")]


def pool(
    residual: Tensor,
    pooling: Pooling,
    top_fraction: float = 0.01,
    quantile: float = 0.99,
    inspected: Inspected | None = None,
) -> Tensor:
    """(B, 1, h, w) -> (B,): mean, max, sum, standard deviation, mean of the highest share, quantile, or S5's rule.

    `average_then_max` is S5 §3: average pooling with a kernel of round(width / 25) px, then the maximum. Shares and
    means are those of the `inspected` places; to these averages, what is ignored adds nothing.
    """
    flat = residual.flatten(1) if inspected is None else inspected.of(residual).flatten(1)
    if pooling == "top":
        return flat.topk(max(1, round(top_fraction * flat.shape[1])), dim=1).values.mean(dim=1)
    if pooling == "quantile":
        return _quantile(flat, quantile)
    if pooling == "average_then_max":
        kernel = max(1, round(residual.shape[-1] / 25))
        residual = residual if inspected is None else inspected.only(residual)
        return F.avg_pool2d(residual, kernel, stride=1).flatten(1).amax(dim=1)
    return _PLAIN[pooling](flat)


def _quantile(flat: Tensor, quantile: float) -> Tensor:
    """Linear between neighbours, as NumPy's. `torch.quantile` has no ONNX form and takes 16 million values at most."""
    place = quantile * (flat.shape[1] - 1)
    below = math.floor(place)
    highest = flat.topk(flat.shape[1] - below, dim=1).values  # in falling order: the last one lies just below
    low, high = highest[:, -1], highest[:, -2:][:, 0]
    return low + (place - below) * (high - low)


def _deviation(flat: Tensor) -> Tensor:
    return torch.std(flat, dim=1, correction=0)


_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda flat: flat.mean(dim=1),
    "max": lambda flat: flat.amax(dim=1),
    "sum": lambda flat: flat.sum(dim=1),
    "deviation": _deviation,
}

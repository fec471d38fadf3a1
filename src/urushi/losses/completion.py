"""How far a restored hole is from what was there: pixels, features, style (S1 §4.2)."""

import torch
from torch import Tensor

from urushi.losses.networks.base import LossNetwork


class CompletionLoss:
    """MSE of the hole + perceptual and style loss of the window, where there is a loss network.

    With `edge` > 0, pixels at the edge of the hole count 1 + edge times as much, falling by e every eighth of its side:
    there the restoration has to pass into what surrounds it (after Haselmann et al. 2018).
    """

    def __init__(self, edge: float, network: LossNetwork | None) -> None:
        self.edge, self.network = edge, network

    def __call__(self, holes: tuple[Tensor, Tensor], windows: tuple[Tensor, Tensor]) -> Tensor:
        """Restored and true holes (n, C, h, h), and the windows (n, C, w, w) with them -> a scalar."""
        restored, true = holes
        weights = 1 + self.edge * torch.exp(-_depth(true.shape[-1]).to(true) * 8 / true.shape[-1])
        loss = ((restored - true).square() * weights).mean() / weights.mean()
        return loss if self.network is None else loss + self.network(*windows)


def _depth(side_px: int) -> Tensor:
    """How far each pixel of a square is from its edge, in px from 0, (h, h)."""
    steps = torch.arange(side_px)
    from_end = torch.minimum(steps, side_px - 1 - steps)
    return torch.minimum(from_end[:, None], from_end)

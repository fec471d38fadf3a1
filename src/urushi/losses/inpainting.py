"""Losses of inpainting (S1): how far a restored hole is from what was there, and triplets that judge it."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

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


Variant = Literal["image_anchor", "turned_anchor", "euclidean"]
VariantOption = Annotated[Variant, Field(description="anchor and distance: the three variants of S1 §5.5")]


def distance(variant: Variant, one: Tensor, other: Tensor) -> Tensor:
    """(B, J) twice -> (B,): 1 − cos, or in `euclidean` the length of the difference."""
    if variant == "euclidean":
        return F.pairwise_distance(one, other)
    return 1 - F.cosine_similarity(one, other, dim=1)


def triplet_loss(variant: Variant, image: Tensor, turned: Tensor, restored: Tensor, margin: float) -> Tensor:
    """max(d(a, p) − d(a, n) + m, 0) with the restoration as the negative, a scalar.

    `image_anchor` and `euclidean`: d(I, Rot) − d(I, R) + m. `turned_anchor`: d(Rot, I) − d(Rot, R) + m, which is the
    source's first variant with its cos read as a similarity.
    """
    anchor, positive = (turned, image) if variant == "turned_anchor" else (image, turned)
    apart = distance(variant, anchor, positive) - distance(variant, anchor, restored)
    return F.relu(apart + margin).mean()


def fooling_loss(variant: Variant, image: Tensor, turned: Tensor, restored: Tensor) -> Tensor:
    """What the generator plays for: its restoration near the anchor, a scalar."""
    anchor = turned if variant == "turned_anchor" else image
    return distance(variant, anchor, restored).mean()

"""Triplet losses between an image, the same turned, and its restoration, from embeddings (S1 §4.1.3 and §5.5)."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

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

"""Sparse codes by their absolute values (S4 §2)."""

from torch import Tensor

from urushi.losses.regularisers.base import Encoder, Regulariser, Weight


class SparseL1(Regulariser):
    """The mean of |z|: most of the code shall be close to zero."""

    def __init__(self, *, weight: Weight = 1e-3) -> None:
        super().__init__(weight)

    def penalty(self, z: Tensor, inputs: Tensor, encoder: Encoder) -> Tensor:  # noqa: ARG002
        return z.abs().mean()

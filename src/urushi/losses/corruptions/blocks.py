"""Blocks of pixels deleted, to be restored from what is around them (Rádli and Czúni 2021, quoted in S4 §3)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.losses.corruptions.base import CorruptedWeight, Corruption


class Blocks(Corruption):
    """Squares at random places, which may overlap, filled with one level."""

    def __init__(
        self,
        *,
        n_blocks: Annotated[int, Field(ge=1, le=256, description="per image")] = 8,
        size: Annotated[float, Field(gt=0, le=1, description="side of a block, as share of the shorter side")] = 0.1,
        fill: Annotated[float, Field(ge=0, le=1, description="level of deleted pixels")] = 0.0,
        corrupted_weight: CorruptedWeight = 1.0,
    ) -> None:
        super().__init__(corrupted_weight)
        self.n_blocks, self.size, self.fill = n_blocks, size, fill

    def corrupt(self, images: Tensor) -> tuple[Tensor, Tensor]:
        n, _, height, width = images.shape
        side = max(1, round(self.size * min(height, width)))
        top, left = (
            (torch.rand(n, self.n_blocks, 1, device=images.device) * (s - side + 1)).floor() for s in (height, width)
        )
        rows, columns = (torch.arange(s, device=images.device) for s in (height, width))
        in_rows = (rows >= top) & (rows < top + side)  # (B, blocks, H)
        in_columns = (columns >= left) & (columns < left + side)
        where = (in_rows[..., None] & in_columns[..., None, :]).any(dim=1, keepdim=True)
        return images.masked_fill(where, self.fill), where

"""Single pixels black or white."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.losses.corruptions.base import CorruptedWeight, Corruption


class SaltPepper(Corruption):
    """A share of the pixels, all channels of each, becomes 0 or 1 with equal chance."""

    def __init__(
        self,
        *,
        share: Annotated[float, Field(gt=0, le=1, description="of the pixels")] = 0.1,
        corrupted_weight: CorruptedWeight = 1.0,
    ) -> None:
        super().__init__(corrupted_weight)
        self.share = share

    def corrupt(self, images: Tensor) -> tuple[Tensor, Tensor]:
        drawn = torch.rand_like(images[:, :1])
        where, is_white = drawn < self.share, drawn < self.share / 2
        return torch.where(where, is_white.to(images.dtype), images), where

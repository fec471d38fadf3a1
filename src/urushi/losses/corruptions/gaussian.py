"""Noise on every pixel."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from urushi.losses.corruptions.base import Corruption


class Gaussian(Corruption):
    """Normal noise, clipped to [0, 1]; no place is untouched, so all count alike."""

    def __init__(
        self, *, deviation: Annotated[float, Field(gt=0, le=1, description="of the noise, of full scale")] = 0.1
    ) -> None:
        super().__init__(corrupted_weight=1.0)
        self.deviation = deviation

    def corrupt(self, images: Tensor) -> tuple[Tensor, Tensor]:
        noisy = (images + self.deviation * torch.randn_like(images)).clamp(0, 1)
        return noisy, torch.ones_like(images[:, :1], dtype=torch.bool)

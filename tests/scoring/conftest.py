from collections.abc import Callable

import pytest
import torch

from urushi.models.base import Reconstruction


@pytest.fixture
def planted() -> Callable[..., Reconstruction]:
    """Pairs that agree but for a square of 8 px in the middle of the chosen ones, stronger from image to image."""

    def planted(*strengths: float, channels: int = 1, side_px: int = 64) -> Reconstruction:
        drawn = torch.rand(len(strengths), channels, side_px, side_px, generator=torch.Generator().manual_seed(1))
        images = 0.3 + 0.1 * drawn
        changed = images.clone()
        place = slice(side_px // 2 - 4, side_px // 2 + 4)
        for image, strength in zip(changed, strengths, strict=True):
            image[:, place, place] += strength
        return Reconstruction(changed, images)

    return planted

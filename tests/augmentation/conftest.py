from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from urushi.augmentation import Augmentation
from urushi.recipe import Augmentation as Section
from urushi.recipe import Part


def picture(shape: tuple[int, ...] = (48, 48), dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    """Smooth enough that interpolating twice is about the same as once; spans the whole scale of its type."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (3, 3, 0)[: len(shape)])
    unit = (noise - noise.min()) / np.ptp(noise)
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    return (unit * full).astype(dtype)


@pytest.fixture
def smooth() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture
def sequence() -> Callable[..., Augmentation]:
    """An augmentation from transforms given as (name, options), and the keys of its section."""

    def sequence(*transforms: tuple[str, dict], **keys: object) -> Augmentation:
        parts = tuple(Part(name=name, **options) for name, options in transforms)
        return Augmentation.of(Section(transforms=parts, **keys))

    return sequence

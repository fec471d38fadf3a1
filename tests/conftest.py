"""What all tests share."""

import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Workers that run side by side share the cores; more threads in each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Compiling the seam carver takes longer than all its tests; one that is slow compiles it.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

settings.register_profile("urushi", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("urushi")


@pytest.fixture(scope="session")
def pictures() -> Callable[..., np.ndarray]:
    """Normal parts: (n, C, size, size) float32 in [0, 1], a checked pattern of varied phase and brightness."""

    def pictures(n: int, size: int = 32, channels: int = 1, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size] * (2 * np.pi / size)
        phase, light = rng.uniform(-0.5, 0.5, (n, 1, 1, 1)), rng.uniform(0.4, 0.6, (n, 1, 1, 1))
        pattern = light + 0.3 * np.sin(3 * x + phase) * np.cos(2 * y)
        noisy = pattern + rng.normal(0, 0.02, (n, channels, size, size))
        return noisy.clip(0, 1).astype(np.float32)

    return pictures

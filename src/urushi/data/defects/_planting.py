"""Defects in prepared images, for whoever has to see how well they are told from clean ones."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from urushi.data.defects._defect import Defect
from urushi.data.defects._kinds import draw
from urushi.data.defects._painting import apply

_FAINTEST = 1 / 64  # opacity


def planted(images: Iterable[np.ndarray], seed: int, *, n_each: int = 1) -> Iterator[np.ndarray]:
    """Each image (C, H, W) float32 in [0, 1] `n_each` times, with one defect of a kind drawn for it alone."""
    rng = np.random.default_rng(seed)
    for image in images:
        for _ in range(n_each):
            yield _spoilt(image, draw(rng, image.shape[1:]), 1.0)


def fading(
    images: Iterable[np.ndarray], seed: int, is_found: Callable[[np.ndarray], bool], *, n_steps: int = 6
) -> Iterator[np.ndarray]:
    """Each image up to `n_steps` times with one defect: as strong as it is drawn, then ever nearer to the limit.

    The opacity is halved on a logarithmic scale, between the faintest that was found and the strongest that was not;
    a defect that is not found at its strongest comes once.
    """
    rng = np.random.default_rng(seed)
    for image in images:
        defect, low, high = draw(rng, image.shape[1:]), _FAINTEST, 1.0
        opacity = high
        for _ in range(n_steps):
            spoilt = _spoilt(image, defect, opacity)
            yield spoilt
            low, high = (low, opacity) if is_found(spoilt) else (opacity, high)
            if low == high:
                break
            opacity = float(np.sqrt(low * high))


def _spoilt(image: np.ndarray, defect: Defect, opacity: float) -> np.ndarray:
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    spoilt, _ = apply(pixels[..., 0] if pixels.shape[2] == 1 else pixels, defect, opacity=opacity)
    return np.ascontiguousarray(spoilt.reshape(pixels.shape).transpose(2, 0, 1))

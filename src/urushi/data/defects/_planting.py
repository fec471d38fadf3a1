"""Defects in prepared images, for whoever has to see how well they are told from clean ones."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from urushi.data.defects._defect import Defect
from urushi.data.defects._kinds import draw
from urushi.data.defects._painting import apply, footprint

_FAINTEST = 1 / 64  # opacity
_N_TRIES = 50


def planted(
    images: Iterable[np.ndarray], seed: int, *, n_each: int = 1, ignored: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Each image (C, H, W) float32 in [0, 1] `n_each` times, with one defect of a kind drawn for it alone.

    What is `ignored`, (H, W) bool, stays as it is.
    """
    rng = np.random.default_rng(seed)
    for image in images:
        for _ in range(n_each):
            yield _spoilt(image, draw_inspected(rng, image.shape[1:], ignored), 1.0, ignored)


def fading(
    images: Iterable[np.ndarray],
    seed: int,
    is_found: Callable[[np.ndarray], bool],
    *,
    n_steps: int = 6,
    ignored: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Each image up to `n_steps` times with one defect: as strong as it is drawn, then ever nearer to the limit.

    The opacity is halved on a logarithmic scale, between the faintest that was found and the strongest that was not;
    a defect that is not found at its strongest comes once. What is `ignored`, (H, W) bool, stays as it is.
    """
    rng = np.random.default_rng(seed)
    for image in images:
        defect, low, high = draw_inspected(rng, image.shape[1:], ignored), _FAINTEST, 1.0
        opacity = high
        for _ in range(n_steps):
            spoilt = _spoilt(image, defect, opacity, ignored)
            yield spoilt
            low, high = (low, opacity) if is_found(spoilt) else (opacity, high)
            if low == high:
                break
            opacity = float(np.sqrt(low * high))


def draw_inspected(rng: np.random.Generator, shape: tuple[int, ...], ignored: np.ndarray | None) -> Defect:
    """A defect for images of a shape, (H, W) or (H, W, 3), at least half of it outside what is ignored, (H, W) bool.

    Where 50 tries give none, it is that of which the most lies there.
    """
    first = draw(rng, shape)
    if ignored is None:
        return first
    best, most = first, -1.0
    for defect in chain([first], (draw(rng, shape) for _ in range(_N_TRIES - 1))):
        share = 1 - float(ignored[footprint(defect, shape[0], shape[1])].mean())
        best, most = (defect, share) if share > most else (best, most)
        if share >= 0.5:
            break
    return best


def _spoilt(image: np.ndarray, defect: Defect, opacity: float, ignored: np.ndarray | None) -> np.ndarray:
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    spoilt, _ = apply(pixels[..., 0] if pixels.shape[2] == 1 else pixels, defect, opacity=opacity)
    found = np.ascontiguousarray(spoilt.reshape(pixels.shape).transpose(2, 0, 1))
    return found if ignored is None else np.where(ignored, image, found)

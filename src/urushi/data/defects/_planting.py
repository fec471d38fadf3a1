"""Defects in prepared images, for whoever has to see how well they are told from clean ones."""

from collections.abc import Iterable, Iterator

import numpy as np

from urushi.data.defects._kinds import draw
from urushi.data.defects._painting import apply


def planted(images: Iterable[np.ndarray], seed: int, *, n_each: int = 1) -> Iterator[np.ndarray]:
    """Each image (C, H, W) float32 in [0, 1] `n_each` times, with one defect of a kind drawn for it alone."""
    rng = np.random.default_rng(seed)
    for image in images:
        pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
        shaped = pixels[..., 0] if pixels.shape[2] == 1 else pixels
        for _ in range(n_each):
            spoilt, _ = apply(shaped, draw(rng, shaped.shape))
            yield np.ascontiguousarray(spoilt.reshape(pixels.shape).transpose(2, 0, 1))

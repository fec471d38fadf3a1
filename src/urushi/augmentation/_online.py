"""Augmentation while training: what each image gets depends on seed, epoch and its index, and on nothing else."""

from collections.abc import Sequence

import numpy as np

from urushi.augmentation._sequence import Augmentation


def rng_for(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one image in one epoch, the same on every machine, in every order and after every resumption."""
    return np.random.default_rng((seed, epoch, index))


def augment_batch(
    images: np.ndarray, augmentation: Augmentation, *, seed: int, epoch: int, indices: Sequence[int] | np.ndarray
) -> np.ndarray:
    """(B, C, H, W) float32 in [0, 1] -> new images of the same shape, each drawn on its own; `indices` is (B,)."""
    result = np.empty_like(images)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        drawn = augmentation.draw(rng_for(seed, epoch, int(index)), (image.shape[1], image.shape[2]))
        channels_last = np.ascontiguousarray(image.transpose(1, 2, 0))
        result[row] = augmentation.apply(channels_last, drawn).transpose(2, 0, 1)
    return result

"""Whether a contest goes well: how varied samples are, and whether the discriminator still has to think."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

_LEAST_DIVERSITY = 0.1  # of samples, as share of the images'
_MOST_ACCURACY = 0.995
_SIDE_PX = 16


def contest_measurements(images: Tensor, made: Tensor, accuracy: Tensor) -> dict[str, Tensor]:
    """Mean distance between samples over that between images, both (B, C, H, W); and the discriminator's accuracy."""
    between_images, between_samples = _spread(images), _spread(made)
    return {"diversity": between_samples / between_images.clamp_min(1e-8), "discriminator_accuracy": accuracy}


def concern_of(measured: Mapping[str, float]) -> str | None:
    """Mode collapse, or a discriminator that has won."""
    if measured["diversity"] < _LEAST_DIVERSITY:
        return (
            f"mode collapse: samples vary {measured['diversity']:.0%} as much as images do. Try another model.loss "
            "(wasserstein_penalty), model.minibatch_discrimination=true, or a lower model.learning_rate"
        )
    if measured["discriminator_accuracy"] > _MOST_ACCURACY:
        return (
            "the discriminator tells every sample from every image, so that the generator learns little. Try a lower "
            "model.learning_rate, or more images and augmentation"
        )
    return None


def distribution_distance(images: Tensor, made: Tensor) -> Tensor:
    """Energy distance between images and samples reduced to 16 px, a scalar; zero if they are distributed alike."""
    real, samples = (F.adaptive_avg_pool2d(x, _SIDE_PX).flatten(1) for x in (images, made))
    return 2 * torch.cdist(real, samples).mean() - torch.cdist(real, real).mean() - torch.cdist(samples, samples).mean()


def _spread(images: Tensor) -> Tensor:
    return torch.cdist(images.flatten(1), images.flatten(1)).mean()

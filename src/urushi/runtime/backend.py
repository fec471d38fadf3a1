"""The seam between a detector and whatever computes its graph."""

from typing import NamedTuple, Protocol

import numpy as np


class Output(NamedTuple):
    """What the graph gives for a batch."""

    reconstructions: np.ndarray | None  # (B, C, H, W) float32; None where the method rebuilds no pixels
    anomaly_maps: np.ndarray  # (B, H, W) float32
    scores: np.ndarray  # (B,) float32


class Backend(Protocol):
    """Computes the graph; it does not know files, preprocessing or thresholds."""

    def run(self, images: np.ndarray) -> Output:
        """The output for prepared images (B, C, H, W) float32 in [0, 1]; independent of the batch's make-up."""
        ...


class FakeBackend:
    """For tests of what lies above the seam: scores an image by its mean, and maps it onto itself."""

    def run(self, images: np.ndarray) -> Output:
        """The images as their own reconstructions and, averaged over channels, as their maps."""
        return Output(images, images.mean(axis=1), images.mean(axis=(1, 2, 3)))

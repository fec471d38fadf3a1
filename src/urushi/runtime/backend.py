"""The seam between a detector and whatever computes its graph."""

import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from urushi.runtime.names import Precision, Runtime


class Row(NamedTuple):
    """What the graph gives for one image."""

    reconstruction: np.ndarray | None  # (C, H, W) float32
    anomaly_map: np.ndarray  # (H, W) float32
    score: float


class Output(NamedTuple):
    """What the graph gives for a batch."""

    reconstructions: np.ndarray | None  # (B, C, H, W) float32; None where the method rebuilds no pixels
    anomaly_maps: np.ndarray  # (B, H, W) float32
    scores: np.ndarray  # (B,) float32

    def rows(self) -> Iterator[Row]:
        """Image by image."""
        for number, score in enumerate(self.scores.tolist()):
            rebuilt = None if self.reconstructions is None else self.reconstructions[number]
            yield Row(rebuilt, self.anomaly_maps[number], score)


class Backend(Protocol):
    """Computes the graph; it does not know files, preprocessing or thresholds."""

    @property
    def runtime(self) -> Runtime:
        """The name by which it is chosen."""
        ...

    @property
    def precision(self) -> Precision:
        """Of its numbers."""
        ...

    @property
    def device(self) -> str:
        """PyTorch's name of where it computes; all others compute on the cpu."""
        ...

    @property
    def description(self) -> str:
        """What computes, for people: 'ONNX Runtime 1.20 (fp32, 2 threads)'."""
        ...

    @property
    def n_threads(self) -> int:
        """How many threads it computes with, all its callers together."""
        ...

    @property
    def n_parallel(self) -> int:
        """How many threads may call `run_beside` at once to their advantage; more are no error."""
        ...

    @property
    def batch_size(self) -> int:
        """How many images in one call give the highest throughput."""
        ...

    def run(self, images: np.ndarray) -> Output:
        """The output for prepared images (B, C, H, W) float32 in [0, 1]; independent of the batch's make-up."""
        ...

    def run_beside(self, images: np.ndarray) -> Output:
        """The same to rounding, in the way that is best where others run beside it."""
        ...


class FakeBackend:
    """For tests of what lies above the seam: scores an image by its mean, and maps it onto itself."""

    description = "a fake"
    runtime: Runtime = "torch"
    precision: Precision = "fp32"
    device = "cpu"
    n_threads, n_parallel, batch_size = 1, 1, 16

    def run(self, images: np.ndarray) -> Output:
        """The images as their own reconstructions and, averaged over channels, as their maps."""
        return Output(images, images.mean(axis=1), images.mean(axis=(1, 2, 3)))

    def run_beside(self, images: np.ndarray) -> Output:
        """The same."""
        return self.run(images)


def usable_cores() -> int:
    """The cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

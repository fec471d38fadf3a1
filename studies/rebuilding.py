"""Whether a trained method has learnt to rebuild: against the mean image, and the divergence of a VAE's posterior."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch

from urushi import Detector, Inspection, Unreadable
from urushi.data.dataset import Dataset, Sample

BATCH = 32


def rebuilding(
    detector: Detector,
    dataset: Dataset,
    results: Iterable[tuple[Sample, Inspection | Unreadable]],
    figures: dict[str, Any] | None,
) -> dict[str, Any] | None:
    """Figures over test/good as the model sees it; None without rebuilt pixels or one size of images.

    The mean image is that of all readable images of train/good, the best that a collapsed model could give.
    """
    images = [one.image for sample, one in results if sample.label == 0 and isinstance(one, Inspection)]
    if figures is None or len({image.shape for image in images}) > 1:  # such have no mean image
        return None
    good = np.stack(images)
    error = float(((good - mean_image(detector, dataset)) ** 2).mean())
    own = float(figures["mse"]["value"])
    compared = {"mse": figures["mse"], "mse_of_mean_image": error, "ratio": own / error}
    return compared | {"divergence_nats": divergence(detector, good)}


def mean_image(detector: Detector, dataset: Dataset) -> np.ndarray:
    """(H, W, C) in [0, 1]."""
    total, n = np.zeros(()), 0
    for sample in dataset.normal_training():
        found = detector.pipeline.read(sample.path)
        if not isinstance(found, Unreadable):  # the fit has listed the others
            total, n = total + found.pixels.astype(np.float64), n + 1
    return np.asarray((total / n).transpose(1, 2, 0))


def divergence(detector: Detector, good: np.ndarray) -> dict[str, float] | None:
    """KL(q(z|x) ‖ N(0, I)) per image in nats; None for methods without a posterior."""
    model = detector.backend.graph.model  # type: ignore[attr-defined]
    if not hasattr(model, "divergence"):
        return None
    with torch.no_grad():
        nats = torch.cat([model.divergence(batch) for batch in _batches(good)])
    return {"mean": float(nats.mean()), "minimum": float(nats.min()), "maximum": float(nats.max())}


def _batches(images: np.ndarray) -> Iterable[torch.Tensor]:
    rest = iter(images.transpose(0, 3, 1, 2))
    while batch := list(islice(rest, BATCH)):
        yield torch.from_numpy(np.stack(batch).astype(np.float32))

"""What images give for learning to go on from, and learning it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from urushi.data.learnt_images import LearntImages
from urushi.errors import DetectorFileError
from urushi.fitting.closed_form import one_thread
from urushi.preprocessing import Prepared
from urushi.runtime.torch_backend import TorchBackend


def of_images(
    backend: TorchBackend, items: Sequence[Prepared], groups: Sequence[str] = ()
) -> tuple[LearntImages, np.ndarray]:
    """What there is to learn from some images, and their inputs."""
    inputs = backend.embed(np.stack([item.pixels for item in items]))
    appearances = [item.appearance for item in items]
    return _of_inputs(backend, inputs, appearances, groups), inputs


def _of_inputs(
    backend: TorchBackend, inputs: np.ndarray, appearances: Sequence[Any], groups: Sequence[str] = ()
) -> LearntImages:
    batch, model = torch.from_numpy(inputs).to(backend.device), backend.graph.model
    with torch.no_grad():
        statistics, descriptors = model.statistics(batch), model.descriptors(batch)
    return as_learnt(appearances, [one.content for one in appearances], statistics, descriptors, groups)


def none_like(backend: TorchBackend) -> LearntImages:
    """No image, in the sizes of a method."""
    pixels = np.zeros((1, *backend.graph.model.image_shape), np.float32)
    one = _of_inputs(backend, backend.embed(pixels), ())
    return replace(one, sums=tuple(np.zeros_like(a) for a in one.sums), descriptors=one.descriptors[:0])


def as_learnt(
    appearances: Iterable[Any],
    contents: Iterable[str],
    statistics: Iterable[torch.Tensor],
    descriptors: torch.Tensor,
    groups: Iterable[str],
) -> LearntImages:
    """On the processor, as the detector file keeps it."""
    sums = tuple(tensor.cpu().numpy() for tensor in statistics)
    own = tuple(contents), sums, descriptors.cpu().numpy()
    return LearntImages(tuple(appearances), *own, groups=tuple(groups))


def learn(backend: TorchBackend, images: LearntImages) -> None:
    """Raises DetectorFileError where the sums, as no images give them, cannot be learnt from."""
    sums = tuple(torch.from_numpy(one).to(backend.device) for one in images.sums)
    try:
        with one_thread(), torch.no_grad():
            backend.graph.model.learn(sums, torch.from_numpy(images.descriptors).to(backend.device))
        is_learnt = all(bool(torch.isfinite(one).all()) for one in backend.graph.state_dict().values())
    except RuntimeError:  # of linear algebra
        is_learnt = False
    if not is_learnt:
        raise DetectorFileError("the sums in its file are none of images: it was changed; fit it anew")

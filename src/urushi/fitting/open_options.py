"""What a recipe leaves open, chosen by how well normal images are told from the same with planted defects."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from urushi.data.defects import planted
from urushi.data.stream import batches
from urushi.evaluation import curves
from urushi.models import build_model
from urushi.models.base import Reconstructor
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score

_N_DEFECTS = 4  # per image
_BATCH = 16


class Choice(NamedTuple):
    """The model with nothing left open, its part of a recipe, and what the card says of how it came about."""

    part: Part
    model: Reconstructor
    facts: dict[str, Any]


def choose(
    model: Reconstructor,
    part: Part,
    score: Part,
    images: np.ndarray,
    *,
    seed: int,
    device: str,
    ignored: np.ndarray | None = None,
) -> Choice:
    """The options that a fitted model leaves open, by validation images (n, C, H, W) float32 in [0, 1].

    Of each image there are four with one planted defect of a random kind each. Chosen is what gives the highest
    ROC-AUC of all images against all planted ones; of equal ones the first. None lies in what is `ignored`, (H, W)
    bool. The images must not be those of the
    calibration, whose promise would be lost. Nothing is said about real defects.
    """
    choices = model.choices()
    spoilt = np.stack(list(planted(images, seed, n_each=_N_DEFECTS, ignored=ignored)))
    found = []
    for values in product(*choices.values()):
        options = dict(zip(choices, values, strict=True))
        candidate = Part.model_validate(part.model_dump() | options)
        backend = _backend(model, candidate, score, device, ignored)
        clean, defective = (np.concatenate(list(_scores(backend, some))) for some in (images, spoilt))
        found.append((_roc_auc(clean, defective), candidate, backend.graph.model, options))
    best, chosen, model, _ = max(found, key=lambda one: one[0])
    table = [options | {"roc_auc": round(value, 4)} for value, *_, options in found]
    facts = {"n_images": len(images), "n_planted": len(spoilt), "roc_auc": round(best, 4), "candidates": table}
    return Choice(chosen, model, facts)


def _roc_auc(normal: np.ndarray, defect: np.ndarray) -> float:
    values = np.unique(np.concatenate([normal, defect]))
    counts = (np.bincount(np.searchsorted(values, some), minlength=len(values)) for some in (normal, defect))
    return float(curves.roc_auc(*(count.astype(float) for count in counts)))


def _backend(model: Reconstructor, part: Part, score: Part, device: str, ignored: np.ndarray | None) -> TorchBackend:
    candidate = build_model(part, model.image_shape)
    candidate.load_state_dict(model.state_dict())
    return TorchBackend(ScoringGraph(candidate, build_score(score, candidate.space), ignored), device=device)


def _scores(backend: TorchBackend, images: np.ndarray) -> Iterator[np.ndarray]:
    for batch in batches(iter(images), _BATCH):
        yield backend.run(np.stack(batch)).scores

"""Trains an encoder on to tell types of defects apart: one fully connected layer on its code (S3, classification)."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from urushi.errors import InputError
from urushi.models.base import Reconstructor
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph

_BATCH = 16
_RATE, _HEAD_RATE = 1e-4, 1e-3  # the layer is new, the encoder knows something


def tune(
    model: Reconstructor,
    images: Sequence[np.ndarray],
    owners: np.ndarray,
    *,
    n_epochs: int,
    seed: int,
    rebuilding: float = 0.0,
) -> dict[str, np.ndarray]:
    """The model's parameters after training encoder and layer on images (C, H, W) of the types `owners` (n,).

    With `rebuilding` > 0 the method's own loss on the same images, in units of what it is at first, is added with that
    weight, so that the code keeps what the types do not need and unknown ones differ in (S2 §7.2.4; Yoshihashi et al.
    2019). Statistics of batch normalisation stay: a few images would spoil them. Raises InputError if nothing can be
    tuned.
    """
    model = copy.deepcopy(model).eval()
    x, y = torch.from_numpy(np.stack(images)), torch.from_numpy(owners)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = nn.Linear(_latents(model, x[:1]).shape[1], int(y.max()) + 1)
        _require_gradient(_latents(model, x[:1]))
        groups = [{"params": model.parameters(), "lr": _RATE}, {"params": layer.parameters(), "lr": _HEAD_RATE}]
        optimizer, unit = Adam(groups), _own_loss(model, x).item() if rebuilding else 1.0
        for _ in range(n_epochs):
            for rows in torch.split(torch.randperm(len(x)), _BATCH):
                optimizer.zero_grad()
                loss = F.cross_entropy(layer(_latents(model, x[rows])), y[rows])
                torch.autograd.backward(loss + rebuilding / unit * _own_loss(model, x[rows]) if rebuilding else loss)
                optimizer.step()
    return {name: value.detach().numpy() for name, value in model.named_parameters()}


def with_weights(backend: TorchBackend, weights: Mapping[str, np.ndarray]) -> TorchBackend:
    """A backend with these parameters of the model; raises InputError if they do not fit."""
    model = copy.deepcopy(backend.graph.model)
    own = dict(model.named_parameters())
    if own.keys() != weights.keys() or any(own[name].shape != value.shape for name, value in weights.items()):
        raise InputError("the tuned encoder does not fit this detector; learn the types anew with it")
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(torch.from_numpy(value))
    return TorchBackend(ScoringGraph(model, backend.graph.score, backend.graph.ignored), device=backend.device)


def _latents(model: Reconstructor, images: Tensor) -> Tensor:
    encode: Any = model.latents
    code: Tensor = encode(model.embed(images))
    return code.flatten(1)


def _own_loss(model: Reconstructor, images: Tensor) -> Tensor:
    """What the method was trained with; raises InputError where that takes several players."""
    if model.is_closed_form or len(model.optimizers()) != 1:
        raise InputError("only a method that is trained with one loss can be trained jointly; leave --joint out")
    return sum((loss for _, loss in model.losses(model.embed(images))), start=images.new_zeros(()))


def _require_gradient(code: Tensor) -> None:
    if not code.requires_grad:
        raise InputError("this method's code comes from a frozen network, there is nothing to tune; leave tuning out")

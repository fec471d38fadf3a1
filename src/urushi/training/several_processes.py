"""Several processes that train one model as a single one would on all of their images."""

import os
import sys
from functools import partial
from multiprocessing import parent_process
from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from urushi.errors import TrainingError
from urushi.models.base import Reconstructor
from urushi.recipe import Training

_PLAIN = ("auto", "ddp")
_STARTED = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # by torchrun, Lightning or SLURM


def n_processes(settings: Training) -> int:
    """How many there are on all machines."""
    return settings.devices * settings.nodes


def strategy(settings: Training, model: Reconstructor) -> str:
    """Lightning's name of it; raises TrainingError where the others cannot be started.

    Plain DDP waits for a gradient of every parameter; the loss of one of several players has none of the others'.
    """
    if n_processes(settings) == 1 or settings.strategy not in _PLAIN:
        return settings.strategy
    _require_startable(settings)
    return "ddp" if _has_one_player(model) else "ddp_find_unused_parameters_true"


def _has_one_player(model: Reconstructor) -> bool:
    """Whether every step is of all parameters that learn."""
    optimizers = list(model.optimizers().values())
    stepped = {id(one) for optimizer in optimizers for group in optimizer.param_groups for one in group["params"]}
    return len(optimizers) == 1 and all(id(one) in stepped for one in model.parameters() if one.requires_grad)


def _require_startable(settings: Training) -> None:
    """Lightning starts the others by running this program again."""
    if any(name in os.environ for name in _STARTED):
        return
    has_script = sys.argv[0] not in ("", "-c") and not hasattr(sys, "ps1")
    if not has_script or parent_process() is not None:
        raise TrainingError(
            f"training.devices = {settings.devices}: each process runs the whole program anew, and this one cannot be: "
            "fit by `urushi fit` or from a script in a file, or set training.devices = 1"
        )


class SharedStatistics(LayerSync):
    """While it trains, batch norms see the images of all processes; PyTorch's own way to this needs GPUs."""

    def apply(self, model: nn.Module) -> nn.Module:
        for module in _batch_norms(model):
            module.forward = partial(_normalised, module)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        for module in _batch_norms(model):
            vars(module).pop("forward", None)
        return model


def _batch_norms(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


class _Sum(torch.autograd.Function):
    """Over the processes; so are its gradients."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        distributed.all_reduce(total := own.clone())
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Any:
        return _summed(gradients[0])


def _summed(own: Tensor) -> Tensor:
    found: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
    return found


def _normalised(norm: Any, inputs: Tensor) -> Tensor:
    """What the batch norm makes of inputs (B, C, …), by mean and variance over those of all processes."""
    if not norm.training or not distributed.is_initialized():
        found: Tensor = type(norm).forward(norm, inputs)
        return found
    over = (0, *range(2, inputs.dim()))
    n = inputs.new_tensor([inputs.numel() / inputs.shape[1]])
    total = _summed(torch.cat([inputs.sum(over), n]))
    mean, n = total[:-1] / total[-1], total[-1].detach()
    centred = inputs - _along(mean, inputs)
    variance = _summed(centred.square().sum(over)) / n
    _remember(norm, mean.detach(), variance.detach() * n / (n - 1))
    scaled = centred * _along(torch.rsqrt(variance + norm.eps), inputs)
    return scaled if norm.weight is None else scaled * _along(norm.weight, inputs) + _along(norm.bias, inputs)


def _along(channels: Tensor, inputs: Tensor) -> Tensor:
    return channels.view(1, -1, *[1] * (inputs.dim() - 2))


def _remember(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Running statistics, as PyTorch moves them."""
    if norm.running_mean is None:
        return
    norm.num_batches_tracked += 1
    share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, float(share))
    norm.running_var.lerp_(variance, float(share))

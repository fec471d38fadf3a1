"""Exponential moving averages of weights: what is used after training, since single steps of a contest swing."""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy that `update_parameters` moves towards the network; other buffers move along.

    Where there are batch statistics, `settle` makes those of the copy: those of the networks are of other weights.
    """
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    copy = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    copy.requires_grad_(False)
    return copy


def settle(average: nn.Module, batches: Iterable[Tensor]) -> None:
    """Batch statistics of averaged weights, computed anew as the mean over batches of inputs."""
    update_bn(batches, average)

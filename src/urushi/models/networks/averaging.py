"""Exponential moving averages of weights: what is used after training, since single steps of a contest swing."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy that `update_parameters` moves towards the network; batch statistics move along."""
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    copy = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    copy.requires_grad_(False)
    return copy

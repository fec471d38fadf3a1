"""VGG-16, the loss network of S1 §5.6.1: its weights are given as a file, or come with torchvision."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.errors import MissingPackageError, RecipeError
from urushi.losses.networks.base import LossNetwork, PerceptualWeight, StyleWeight

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))  # filters of the convolutions before each pooling
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Vgg16(LossNetwork):
    """The maps before each of the first four poolings."""

    def __init__(
        self,
        *,
        perceptual: PerceptualWeight = 0.01,
        style: StyleWeight = 0.1,
        weights: Annotated[
            str, Field(description="state dict of torchvision's or timm's VGG-16; empty: torchvision's own")
        ] = "",
    ) -> None:
        super().__init__(perceptual=perceptual, style=style)
        self.weights = weights

    def load(self) -> nn.Module:
        return _Network(_read(self.weights) if self.weights else _downloaded())


class _Network(nn.Module):
    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        n_inputs, place = 3, 0
        for filters in _STAGES:
            layers: list[nn.Module] = []
            for before, after in pairwise((n_inputs, *filters)):
                layers += [_loaded(nn.Conv2d(before, after, 3, padding=1), weights, f"features.{place}"), nn.ReLU()]
                place += 2
            self.stages.append(nn.Sequential(*layers))
            n_inputs, place = filters[-1], place + 1  # a pooling has a number, too
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        mean, deviation = (images.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
        maps: list[Tensor] = []
        for stage in self.stages:
            below = F.max_pool2d(maps[-1], 2) if maps else (images.expand(-1, 3, -1, -1) - mean) / deviation
            maps.append(stage(below))
        return maps


def _read(path: str) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise
        raise RecipeError(f"model.loss_network.weights: {path} cannot be read as a state dict of VGG-16") from error
    return found


def _downloaded() -> dict[str, Tensor]:
    try:
        from torchvision.models import VGG16_Weights
    except Exception as error:  # beside another PyTorch, torchvision fails with a RuntimeError
        raise MissingPackageError(
            "model.loss_network = vgg16 needs weights: give the file of torchvision's or timm's VGG-16 as "
            "model.loss_network.weights, install torchvision, or take efficientnet_lite0"
        ) from error
    weights: dict[str, Tensor] = VGG16_Weights.IMAGENET1K_V1.get_state_dict()
    return weights


def _loaded(layer: nn.Conv2d, weights: dict[str, Tensor], place: str) -> nn.Conv2d:
    try:
        layer.load_state_dict({name: weights[f"{place}.{name}"] for name in ("weight", "bias")})
    except (KeyError, RuntimeError, TypeError) as error:
        raise RecipeError(
            f"model.loss_network.weights has no {place} that fits VGG-16; take torchvision's or timm's"
        ) from error
    return layer

"""What is asked of the package timm: which networks there are, their layers, and to build them. It fetches nothing."""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from urushi.backbones._architecture import explained
from urushi.backbones._folder import WEIGHTS, Folder
from urushi.backbones._from_folder import persistent, require_whole
from urushi.catalogue.extras import how_to_install, is_installed
from urushi.errors import BackboneError, MissingPackageError

_PAIRS = "timm needs a torchvision that goes with the installed torch, such as torch 2.11 with torchvision 0.26"
_ANY_SIZE = {"dynamic_img_size": True, "strict_img_size": False}  # so that networks made for one size take others
_ARCHITECTURE = re.compile(r"\w{1,100}")
_LARGEST_PX = 4096


def require() -> None:
    """Raises MissingPackageError, or BackboneError where it cannot be imported."""
    for module in ("timm", "torchvision"):
        if not is_installed(module):
            raise MissingPackageError(
                f"this needs {module}, which is not installed: {how_to_install('timm')}; {_PAIRS}"
            )
    with explained(f"timm cannot be imported ({_PAIRS})"):
        import timm  # noqa: F401


def default_tag(architecture: str) -> str:
    """`.TAG` of the weights that timm takes without one; raises BackboneError."""
    from timm.models import get_pretrained_cfg

    _require_known(architecture, "model.backbone")
    said = get_pretrained_cfg(architecture)
    if said is None or not said.tag:
        raise BackboneError(f"timm has no weights of {architecture} on the hub; give a folder of your own")
    return f".{said.tag}"


def checked(config: object, where: str) -> dict[str, Any]:
    """Architecture, and side of the images that position embeddings are for, where a config.json names it."""
    config = config if isinstance(config, Mapping) else {}
    architecture = config.get("architecture")
    _require_known(architecture, where)
    found: dict[str, Any] = {"architecture": architecture}
    arguments = config.get("model_args", config)
    size = arguments.get("img_size") if isinstance(arguments, Mapping) else None
    if size is not None:
        found["img_size"] = _sides(size, where)
    layers(found)
    return found


def layers(config: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Side of a cell in px and number of channels of each of the maps that timm lists; raises BackboneError."""
    return _layers(json.dumps(config))


def _sides(size: object, where: str) -> list[int]:
    sides: list[Any] = size if isinstance(size, list) else [size, size]
    if len(sides) != 2 or any(type(side) is not int or not 1 <= side <= _LARGEST_PX for side in sides):
        raise BackboneError(f"{where}: img_size = {size!r:.40}; taken are whole numbers of 1 to {_LARGEST_PX} px")
    return sides


@cache
def _layers(text: str) -> tuple[tuple[int, int], ...]:
    config = json.loads(text)
    with torch.device("meta"):
        network = _plain(config)
    if not hasattr(network, "forward_intermediates"):
        raise BackboneError(f"timm's {config['architecture']} does not give its features; take another network")
    return tuple((int(one["reduction"]), int(one["num_chs"])) for one in network.feature_info)


def built(config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
    """The network with weights to be filled in."""
    return _Maps(_plain(config), taken, is_normed=_shares_grid(config))


def loaded(config: Mapping[str, Any], taken: Sequence[int], folder: Folder) -> nn.Module:
    """The network with the weights of a folder; a classifier among them is left out."""
    state: dict[str, Tensor] = {}
    for file in folder.weights:
        state |= safetensors.torch.load_file(file)
    with explained(f"{folder.path / WEIGHTS} does not fit its config.json"):
        network = _plain(config)
        missing = network.load_state_dict(state, strict=False).missing_keys
    require_whole(network, missing, folder)
    return _Maps(network.float(), taken, is_normed=_shares_grid(config))


class _Maps(nn.Module):
    """The network up to the last layer that is taken; what transformers give goes through their last norm."""

    network: Any

    def __init__(self, network: Any, taken: Sequence[int], *, is_normed: bool) -> None:
        super().__init__()
        self.taken, self.is_normed = list(taken), is_normed
        network.prune_intermediate_layers(self.taken, prune_norm=not is_normed, prune_head=True)
        self.network = persistent(network)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network.forward_intermediates(
            pixels, indices=self.taken, norm=self.is_normed, output_fmt="NCHW", intermediates_only=True
        )
        return found


def _plain(config: Mapping[str, Any]) -> Any:
    """As timm makes it without a classifier, for images of any size."""
    import timm

    size = {"img_size": tuple(config["img_size"])} if "img_size" in config else {}
    with explained(f"timm cannot build {config['architecture']}"):
        with torch.device("meta"):
            kind = type(timm.create_model(config["architecture"], pretrained=False, num_classes=0, **size))
        options = {name: value for name, value in _ANY_SIZE.items() if name in inspect.signature(kind).parameters}
        return timm.create_model(config["architecture"], pretrained=False, num_classes=0, **size, **options)


def _shares_grid(config: Mapping[str, Any]) -> bool:
    return len({px for px, _ in layers(config)}) == 1


def _require_known(architecture: object, where: str) -> None:
    """Names with a source of weights, as timm takes them too, are none."""
    from timm import is_model

    if not isinstance(architecture, str) or not _ARCHITECTURE.fullmatch(architecture) or not is_model(architecture):
        raise BackboneError(f"{where}: timm has no architecture {architecture!r:.60}; timm.list_models() gives all")

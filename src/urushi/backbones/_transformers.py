"""Networks as the package transformers builds them: which are taken, their layers, and their weights."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from urushi.backbones._folder import WEIGHTS, Folder
from urushi.errors import BackboneError
from urushi.printable import printable

_STAGES = {  # model_type -> class; those of stages give one map for each, before it is made smaller
    "resnet": "ResNetBackbone",
    "convnext": "ConvNextBackbone",
    "convnextv2": "ConvNextV2Backbone",
    "swin": "SwinBackbone",
    "swinv2": "Swinv2Backbone",
    "dinov3_convnext": "DINOv3ConvNextBackbone",
}
_GRIDS = {  # transformers that bring their tokens to a grid themselves
    "dinov2": "Dinov2Backbone",
    "dinov2_with_registers": "Dinov2WithRegistersBackbone",
    "dinov3_vit": "DINOv3ViTBackbone",
}
_TOKENS = {"vit": "ViTModel", "siglip_vision_model": "SiglipVisionModel"}  # class tokens are left out here
_CLASSES = _STAGES | _GRIDS | _TOKENS
_FIRST_PX = 4  # of networks of stages that do not say
_MOST_LAYERS, _MOST_CHANNELS = 400, 2**17  # a damaged config shall not take all memory
_PER_STAGE = ("depths", "hidden_sizes", "num_heads", "pretrained_window_sizes")
_NORMS = "hidden_states_norms"  # that these classes add behind each stage: pretrained weights have none


class _Kind(NamedTuple):
    """The classes of a network and of its config."""

    network: Any
    config: Any

    @classmethod
    def of(cls, model_type: str) -> "_Kind":
        import transformers

        network = getattr(transformers, _CLASSES[model_type])
        return cls(network, network.config_class)

    @property
    def fields(self) -> frozenset[str]:
        """What such a config says of the network's shape; anything else in a file is left alone."""
        own = set(vars(self.config)["__annotations__"])
        return frozenset(own & set(inspect.signature(self.config).parameters) - {"_out_features", "_out_indices"})


def checked(config: object, where: str) -> dict[str, Any]:
    """Of a config.json what tells the shape of the network, completed; raises BackboneError."""
    config = config if isinstance(config, Mapping) else {}
    if config.get("model_type") == "siglip" and isinstance(config.get("vision_config"), dict):
        config = {**config["vision_config"], "model_type": "siglip_vision_model"}
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in _CLASSES:
        raise BackboneError(f"{where}: model_type {model_type!r:.60} is not taken; there is: {', '.join(sorted(_CLASSES))}")
    kind = _Kind.of(model_type)
    given = {name: config[name] for name in sorted(kind.fields & set(config))}
    with _explained(where):
        _require_proportion(given)
        made = kind.config(**given)  # checks the type of each
        found = {name: getattr(made, name) for name in sorted(kind.fields)} | {"model_type": model_type}
        layers(found)
    if found["num_channels"] not in (1, 3):
        raise BackboneError(f"{where}: num_channels = {found['num_channels']}; taken are networks of 1 or 3")
    return found


def _require_proportion(given: Mapping[str, Any]) -> None:
    depth = np.sum(given.get("depths", given.get("num_hidden_layers", 0)))
    largest = max((np.max(np.abs(value)) for value in given.values() if _is_of_numbers(value)), default=0)
    if not depth <= _MOST_LAYERS or not largest <= _MOST_CHANNELS:
        raise BackboneError("a size or a number of layers is out of all proportion")


def _is_of_numbers(value: object) -> bool:
    values = value if isinstance(value, list | tuple) and value else [value]
    return all(isinstance(one, int | float) for one in values)


def layers(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Side of a cell in px and number of channels after each stage or layer."""
    if "depths" not in config:
        return [(_side(config["patch_size"]), config["hidden_size"])] * config["num_hidden_layers"]
    first, is_early = _side(config.get("patch_size", _FIRST_PX)), bool(config.get("downsample_in_first_stage"))
    stages = range(len(config["depths"]))
    wide = "embed_dim" in config
    channels = [config["embed_dim"] * 2**stage for stage in stages] if wide else config["hidden_sizes"]
    return [(first * 2 ** (stage + is_early), channels[stage]) for stage in stages]


def cut(config: Mapping[str, Any], last: int) -> dict[str, Any]:
    """The config of the same network without the layers after one."""
    if "depths" not in config:
        return {**config, "num_hidden_layers": last}
    shorter = {name: config[name][:last] for name in _PER_STAGE if name in config}
    return {**config, **shorter, **({"num_stages": last} if "num_stages" in config else {})}


def built(config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
    """The network with weights to be filled in; raises BackboneError."""
    kind = _Kind.of(config["model_type"])
    with _quiet(), _explained("the network cannot be built"):
        return _wrapped(kind.network(_config(kind, config, taken)), config, taken)


def loaded(config: Mapping[str, Any], taken: Sequence[int], folder: Folder) -> nn.Module:
    """The network with the weights of a folder, in single precision; raises BackboneError if they do not fit."""
    kind = _Kind.of(config["model_type"])
    state: dict[str, Tensor] = {}
    for file in folder.weights:
        state |= safetensors.torch.load_file(file)
    with _quiet(), _explained(f"{folder.path / WEIGHTS} does not fit its config.json"):
        network, told = kind.network.from_pretrained(
            None,  # nothing else of the folder is looked at
            config=_config(kind, config, taken),
            state_dict=state,
            dtype=torch.float32,
            output_loading_info=True,
        )
    _require_all(told["missing_keys"], folder)
    if any(not torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise BackboneError(f"the weights in {folder.path} are not all finite numbers; download them again")
    return _wrapped(network, config, taken)


def _require_all(missing: Sequence[str], folder: Folder) -> None:
    lacking = sorted(name for name in missing if not name.startswith(_NORMS))
    if lacking:
        raise BackboneError(
            f"the weights in {folder.path} lack {len(lacking)} that its config.json asks for, {lacking[0]} first; they "
            "are those of another network"
        )


def _config(kind: _Kind, config: Mapping[str, Any], taken: Sequence[int]) -> Any:
    given = {name: value for name, value in config.items() if name != "model_type"}
    if config["model_type"] in _TOKENS:
        given |= {"vision_use_head": False} if "vision_use_head" in given else {}
    else:
        given |= {"out_indices": list(taken)}
    given |= {"apply_layernorm": True, "reshape_hidden_states": True} if config["model_type"] in _GRIDS else {}
    made = kind.config(**given)
    made._attn_implementation = "sdpa" if kind.network._supports_sdpa else "eager"
    return made


def _wrapped(network: Any, config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
    if hasattr(network, _NORMS):
        setattr(network, _NORMS, nn.ModuleDict({name: nn.Identity() for name in getattr(network, _NORMS)}))
    for module in network.modules():  # every tensor is saved, those too that the package would make anew
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer)
    return _Tokens(network, taken) if config["model_type"] in _TOKENS else _Maps(network)


class _Maps(nn.Module):
    """A network that gives maps by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return list(self.network(pixels).feature_maps)


class _Tokens(nn.Module):
    """A transformer: tokens of patches after some of its layers and its last norm, on their grid."""

    def __init__(self, network: Any, taken: Sequence[int]) -> None:
        super().__init__()
        self.network, self.taken, self.px = network, tuple(taken), _side(network.config.patch_size)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        told = self.network(pixels, interpolate_pos_encoding=True, output_hidden_states=True)
        size = (pixels.shape[-2] // self.px, pixels.shape[-1] // self.px)
        norm = self.network.layernorm if hasattr(self.network, "layernorm") else self.network.post_layernorm
        return [_on_grid(norm(told.hidden_states[layer]), size) for layer in self.taken]


def _on_grid(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, n, C) -> (B, C, h, w) of the last h·w tokens: class tokens stand before them."""
    return tokens[:, -size[0] * size[1] :].transpose(1, 2).unflatten(2, size)


def _side(size: Any) -> int:
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1 or type(side := sides.pop()) is not int or side < 1:
        raise BackboneError(f"patches of {size!r:.40} px are not taken; they are square")
    return side


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except BackboneError as error:
        raise BackboneError(f"{what}: {error}") from None
    except Exception as error:  # the package lets through whatever an operation raises
        reason = printable(" ".join(str(error).split()))[:300]
        raise BackboneError(f"{what}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The package reports on each loading to the terminal."""
    from transformers.utils import logging

    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()

"""Which networks of the package transformers are taken, and what their config says of their layers."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from urushi.errors import BackboneError
from urushi.printable import printable

STAGES = {  # model_type -> class; those of stages give one map for each, before it is made smaller
    "resnet": "ResNetBackbone",
    "convnext": "ConvNextBackbone",
    "convnextv2": "ConvNextV2Backbone",
    "swinv2": "Swinv2Backbone",
    "dinov3_convnext": "DINOv3ConvNextBackbone",
}
GRIDS = {  # transformers that bring their tokens to a grid themselves
    "dinov2": "Dinov2Backbone",
    "dinov2_with_registers": "Dinov2WithRegistersBackbone",
    "dinov3_vit": "DINOv3ViTBackbone",
}
TOKENS = {"vit": "ViTModel", "siglip_vision_model": "SiglipVisionModel"}  # class tokens are left out here
WINDOWS = {"swin": "SwinModel"}
_CLASSES = STAGES | GRIDS | TOKENS | WINDOWS
_FIRST_PX = 4  # of networks of stages that do not say
_MOST_LAYERS, _MOST_CHANNELS = 400, 2**17  # a damaged config shall not take all memory
_PER_STAGE = ("depths", "hidden_sizes", "num_heads", "pretrained_window_sizes")


class Kind(NamedTuple):
    """The classes of a network and of its config."""

    network: Any
    config: Any

    @classmethod
    def of(cls, model_type: str) -> "Kind":
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
        known = ", ".join(sorted(_CLASSES))
        raise BackboneError(f"{where}: model_type {model_type!r:.60} is not taken; there is: {known}")
    kind = Kind.of(model_type)
    given = {name: config[name] for name in sorted(kind.fields & set(config))}
    with explained(where):
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
        return [(side_of(config["patch_size"]), config["hidden_size"])] * config["num_hidden_layers"]
    first, is_early = side_of(config.get("patch_size", _FIRST_PX)), bool(config.get("downsample_in_first_stage"))
    stages = range(len(config["depths"]))
    wide = "embed_dim" in config
    channels = [config["embed_dim"] * 2**stage for stage in stages] if wide else config["hidden_sizes"]
    return [(first * 2 ** (stage + is_early), channels[stage]) for stage in stages]


def cut(config: Mapping[str, Any], last: int) -> dict[str, Any]:
    """The config of the same network without the layers after one; of Swin whole, whose norm is of its last stage."""
    if config["model_type"] in WINDOWS:
        return dict(config)
    if "depths" not in config:
        return {**config, "num_hidden_layers": last}
    shorter = {name: config[name][:last] for name in _PER_STAGE if name in config}
    return {**config, **shorter, **({"num_stages": last} if "num_stages" in config else {})}


def side_of(size: Any) -> int:
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1 or type(side := sides.pop()) is not int or side < 1:
        raise BackboneError(f"patches of {size!r:.40} px are not taken; they are square")
    return side


@contextmanager
def explained(what: str) -> Iterator[None]:
    try:
        yield
    except BackboneError as error:
        raise BackboneError(f"{what}: {error}") from None
    except Exception as error:  # the package lets through whatever an operation raises
        reason = printable(" ".join(str(error).split()))[:300]
        raise BackboneError(f"{what}: {reason}") from error

"""Networks as the package transformers builds them, and the weights of a folder in them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from urushi.backbones._architecture import GRIDS, TOKENS, WINDOWS, Kind, explained, side_of
from urushi.backbones._folder import WEIGHTS, Folder
from urushi.backbones._from_folder import persistent, require_whole

_NORMS = "hidden_states_norms"  # that these classes add behind each stage: pretrained weights have none


def built(config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
    """The network with weights to be filled in; raises BackboneError."""
    kind = Kind.of(config["model_type"])
    with _quiet(), explained("the network cannot be built"):
        return _wrapped(kind.network(_config(kind, config, taken)), config, taken)


def loaded(config: Mapping[str, Any], taken: Sequence[int], folder: Folder) -> nn.Module:
    """The network with the weights of a folder, in single precision; raises BackboneError if they do not fit."""
    kind = Kind.of(config["model_type"])
    state: dict[str, Tensor] = {}
    for file in folder.weights:
        state |= safetensors.torch.load_file(file)
    with _quiet(), explained(f"{folder.path / WEIGHTS} does not fit its config.json"):
        network, told = kind.network.from_pretrained(
            None,  # nothing else of the folder is looked at
            config=_config(kind, config, taken),
            state_dict=state,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = [name for name in told["missing_keys"] if not name.startswith(_NORMS)]
    require_whole(network, missing, folder)
    return _wrapped(network, config, taken)


def _config(kind: Kind, config: Mapping[str, Any], taken: Sequence[int]) -> Any:
    given = {name: value for name, value in config.items() if name != "model_type"}
    if config["model_type"] in TOKENS | WINDOWS:
        given |= {"vision_use_head": False} if "vision_use_head" in given else {}
    else:
        given |= {"out_indices": list(taken)}
    given |= {"apply_layernorm": True, "reshape_hidden_states": True} if config["model_type"] in GRIDS else {}
    made = kind.config(**given)
    made._attn_implementation = "sdpa" if kind.network._supports_sdpa else "eager"
    return made


def _wrapped(network: Any, config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
    if hasattr(network, _NORMS):
        setattr(network, _NORMS, nn.ModuleDict({name: nn.Identity() for name in getattr(network, _NORMS)}))
    persistent(network)
    if config["model_type"] in TOKENS:
        return _Tokens(network, taken)
    return _Windows(network, taken) if config["model_type"] in WINDOWS else _Maps(network)


class _Maps(nn.Module):
    """A network that gives maps by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return list(self.network(pixels).feature_maps)


class _Windows(nn.Module):
    """A transformer of windows: its stages before they are made smaller."""

    def __init__(self, network: Any, taken: Sequence[int]) -> None:
        super().__init__()
        self.network, self.taken, self.px = network, tuple(taken), side_of(network.config.patch_size)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        self._shift(min(pixels.shape[-2:]) // self.px)
        told = self.network(
            pixels,
            output_hidden_states=True,
            output_hidden_states_before_downsampling=True,
            always_partition=True,  # else a map that is smaller than a window changes the network for later ones
        )
        return [told.reshaped_hidden_states[stage] for stage in self.taken]

    def _shift(self, side: int) -> None:
        """Every second block has its windows shifted, unless one window holds the whole map."""
        for stage, layer in enumerate(self.network.encoder.layers):
            for number, block in enumerate(layer.blocks):
                is_shifted = number % 2 and side // 2**stage > block.window_size
                block.shift_size = block.window_size // 2 if is_shifted else 0


class _Tokens(nn.Module):
    """A transformer: tokens of patches after some of its layers and its last norm, on their grid."""

    def __init__(self, network: Any, taken: Sequence[int]) -> None:
        super().__init__()
        self.network, self.taken, self.px = network, tuple(taken), side_of(network.config.patch_size)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        told = self.network(pixels, interpolate_pos_encoding=True, output_hidden_states=True)
        size = (pixels.shape[-2] // self.px, pixels.shape[-1] // self.px)
        norm = self.network.layernorm if hasattr(self.network, "layernorm") else self.network.post_layernorm
        return [_on_grid(norm(told.hidden_states[layer]), size) for layer in self.taken]


def _on_grid(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, n, C) -> (B, C, h, w) of the last h·w tokens: class tokens stand before them."""
    return tokens[:, -size[0] * size[1] :].transpose(1, 2).reshape(len(tokens), tokens.shape[2], *size)


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

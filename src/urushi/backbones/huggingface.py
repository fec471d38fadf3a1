"""Networks of the package transformers, from a folder in Hugging Face layout: convolutional ones and transformers."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.backbones import _architecture, _loading
from urushi.backbones._folder import CONFIG, Folder
from urushi.backbones._hub import PREFIX, downloaded
from urushi.backbones.base import Backbone, Kept, Layer, PretrainedNetwork, coloured
from urushi.catalogue.extras import require
from urushi.errors import BackboneError

_FAMILY = "huggingface"
_THIRDS = (1 / 3, 2 / 3, 1)  # where the layers lie that a method takes of a transformer


class HuggingFaceNetwork(PretrainedNetwork):
    """A network by its config: of stages, at 1/4 to 1/32 of the image, or a transformer whose layers share one grid."""

    def __init__(
        self, name: str, config: Mapping[str, Any], folder: Folder | None, told: Mapping[str, Any] | None = None
    ) -> None:
        """Without a folder its weights are those of a detector file, of which `told` is what the card says."""
        self.name, self.config, self.folder, self.told = name, config, folder, told
        self.layers = {number: Layer(*layer) for number, layer in enumerate(_architecture.layers(config), start=1)}
        last = len(self.layers)
        thirds = {max(1, round(last * share)) for share in _THIRDS}
        self.pyramid = tuple(self.layers)[-3:] if "depths" in config else tuple(sorted(thirds))
        self.joined = self.pyramid

    @classmethod
    def find(cls, name: str) -> Self | None:
        path = Path(name).expanduser()
        if name.startswith(PREFIX):
            path = downloaded(name)
        elif not path.is_dir():
            if path.parts[1:] or path.is_absolute():
                raise BackboneError(f"model.backbone = {name!r}: there is no such folder; hub:OWNER/NAME downloads one")
            return None
        require("transformers", "backbones")
        folder = Folder(path.resolve())
        return cls(name, _architecture.checked(folder.config, str(folder.path / CONFIG)), folder)

    @classmethod
    def restored(cls, name: str, card: Mapping[str, Any]) -> Self | None:
        if card.get("family") != _FAMILY:
            return None
        require("transformers", "backbones")
        config = _architecture.checked(card["config"], "the detector's card")
        return cls(name, config, _referred(card), card)

    def backbone(
        self,
        layers: Sequence[int],
        inside: int | None = None,  # noqa: ARG002  none has any
        kept: Kept = "inside",
    ) -> "HuggingFaceBackbone":
        if self.told and self.told["kept"] != kept:
            raise BackboneError(f"by its card its weights are kept {self.told['kept']!r}, by its recipe {kept!r}")
        return HuggingFaceBackbone(self, layers, kept)

    def description(self, kept: Kept) -> dict[str, Any]:
        """What restores it, without its weights; and what people want to know of it."""
        if self.told is not None:
            return dict(self.told)
        assert self.folder is not None
        mean, deviation = self.folder.normalisation
        return {
            "family": _FAMILY,
            "name": self.name,
            "config": dict(self.config),
            "mean": mean,
            "deviation": deviation,
            "size_px": self.folder.size_px,
            "weights": self.folder.digests,
            "licence": self.folder.licence,
            "kept": kept,
            **({"folder": str(self.folder.path)} if kept == "reference" else {}),
            "transformers": version("transformers"),
        }


class HuggingFaceBackbone(Backbone):
    """Features of some of its layers, patch tokens on their grid; images are enlarged to whole patches or cells."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: HuggingFaceNetwork, layers: Sequence[int], kept: Kept) -> None:
        super().__init__(network.name, network.layers, layers)
        self.description, self.kept = network.description(kept), kept
        config, places = _architecture.cut(network.config, self.taken[-1]), self.taken
        if network.folder is None:
            self.network = _loading.built(config, places)
        else:
            with torch.device("cpu"):
                read = _loaded(network.folder.path, json.dumps(config), places, tuple(network.folder.digests.items()))
            self.network = deepcopy(read)
        self.n_channels = config["num_channels"]
        for name in ("mean", "deviation"):
            self.register_buffer(name, torch.tensor(self.description[name])[:, None, None])
        if kept == "reference":
            self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
            self.register_load_state_dict_pre_hook(_put_in)  # type: ignore[no-untyped-call]
        self.eval().requires_grad_(False)

    def card(self) -> dict[str, Any]:
        return self.description

    def forward(self, images: Tensor) -> list[Tensor]:
        x = coloured(images) if self.n_channels == 3 else images.mean(dim=1, keepdim=True)
        maps: list[Tensor] = self.network((self._whole(x) - self.mean) / self.deviation)
        return maps

    def _whole(self, images: Tensor) -> Tensor:
        """Enlarged by less than a cell to whole ones, so that none at the edges is dropped."""
        height, width = images.shape[-2:]
        size = (height + -height % self.smallest_px, width + -width % self.smallest_px)
        return images if size == (height, width) else F.interpolate(images, size, mode="bilinear", align_corners=False)


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Weights that are only referred to are no part of what is saved."""
    for name in module.get_submodule("network").state_dict():
        del state[f"{prefix}network.{name}"]


def _put_in(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    state |= {f"{prefix}network.{name}": value for name, value in module.get_submodule("network").state_dict().items()}


def _referred(card: Mapping[str, Any]) -> Folder | None:
    """The folder that a detector refers to, if its weights are those it was fitted with; None if it has its own."""
    if card["kept"] not in get_args(Kept):
        raise BackboneError(f"its card says that weights are kept {card['kept']!r:.40}")
    if card["kept"] == "inside":
        return None
    folder = Folder(Path(card["folder"]))
    again = "bring that folder back, or fit again with model.backbone_weights=inside"
    if not folder.path.is_absolute() or card["folder"].startswith(("\\\\", "//")) or not folder.path.is_dir():
        raise BackboneError(f"it refers to weights in {card['folder']!r}, and there is no such folder; {again}")
    if folder.digests != card["weights"]:
        raise BackboneError(f"the weights in {folder.path} are not those that it was fitted with; {again}")
    return folder


@lru_cache(maxsize=1)
def _loaded(path: Path, config: str, taken: tuple[int, ...], _: object) -> nn.Module:
    """The network of a folder, read once for all folds of a fit, to be copied by each user."""
    return _loading.loaded(json.loads(config), taken, Folder(path))

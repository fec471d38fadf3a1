"""What families share whose networks lie in folders: weights inside a detector file or referred to, and the front."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.backbones._folder import Folder
from urushi.backbones._hub import PREFIX, TIMM, downloaded
from urushi.backbones.base import Backbone, Kept, PretrainedNetwork, coloured
from urushi.errors import BackboneError

THIRDS = (1 / 3, 2 / 3, 1)  # where the layers lie that a method takes of a transformer


class FolderNetwork(PretrainedNetwork):
    """A network by its config and the folder of its weights; without one these are in a detector file."""

    family: ClassVar[str]
    package: ClassVar[str]  # that knows such networks

    def __init__(
        self, name: str, config: Mapping[str, Any], folder: Folder | None, told: Mapping[str, Any] | None = None
    ) -> None:
        """`told` is what a detector's card says of it."""
        self.name, self.config, self.folder, self.told = name, config, folder, told

    @classmethod
    @abstractmethod
    def require(cls) -> None:
        """Raises MissingPackageError, BackboneError if the package is not there or does not work."""

    @staticmethod
    @abstractmethod
    def checked(config: object, where: str) -> dict[str, Any]:
        """Of a config what tells the shape of the network; raises BackboneError."""

    @staticmethod
    @abstractmethod
    def built(config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
        """Pixels -> the maps of the layers that are taken, with weights to be filled in; raises BackboneError."""

    @staticmethod
    @abstractmethod
    def loaded(config: Mapping[str, Any], taken: Sequence[int], folder: Folder) -> nn.Module:
        """The same with the weights of a folder, in single precision; raises BackboneError if they do not fit."""

    @abstractmethod
    def pixels(self, folder: Folder) -> dict[str, Any]:
        """What a folder says of the pixels that it takes: mean, deviation, size_px; raises BackboneError."""

    def licence(self, folder: Folder) -> str:
        """That of the weights."""
        return folder.licence

    @classmethod
    def restored(cls, name: str, card: Mapping[str, Any]) -> Self | None:
        if card.get("family") != cls.family:
            return None
        cls.require()
        return cls(name, cls.checked(card["config"], "the detector's card"), _referred(card), card)

    def backbone(
        self,
        layers: Sequence[int],
        inside: int | None = None,  # noqa: ARG002  none has any
        kept: Kept = "inside",
    ) -> "FolderBackbone":
        if self.told and self.told["kept"] != kept:
            raise BackboneError(f"by its card its weights are kept {self.told['kept']!r}, by its recipe {kept!r}")
        return FolderBackbone(self, layers, kept)

    def description(self, kept: Kept) -> dict[str, Any]:
        """What restores it, without its weights; and what people want to know of it."""
        if self.told is not None:
            return dict(self.told)
        assert self.folder is not None
        return {
            "family": self.family,
            "name": self.name,
            "config": dict(self.config),
            **self.pixels(self.folder),
            "weights": self.folder.digests,
            "licence": self.licence(self.folder),
            "kept": kept,
            **({"folder": str(self.folder.path)} if kept == "reference" else {}),
            self.package: version(self.package),
        }


class FolderBackbone(Backbone):
    """Features of some of its layers, patch tokens on their grid; images are enlarged to whole patches or cells."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: FolderNetwork, layers: Sequence[int], kept: Kept) -> None:
        super().__init__(network.name, network.layers, layers)
        self.description, self.kept = network.description(kept), kept
        if network.folder is None:
            self.network = network.built(network.config, self.taken)
        else:
            with torch.device("cpu"):
                self.network = deepcopy(_loaded(type(network), network.folder, json.dumps(network.config), self.taken))
        self.n_channels = network.config.get("num_channels", 3)
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


def folder_of(name: str) -> Folder | None:
    """The folder of a path or of hub:OWNER/NAME, None if the name is neither; raises BackboneError."""
    if name.startswith(PREFIX):
        return Folder(downloaded(name))
    path = Path(name).expanduser()
    if path.is_dir():
        return Folder(path.resolve())
    if name.startswith(TIMM):
        return None
    if path.parts[1:] or path.is_absolute():
        raise BackboneError(f"model.backbone = {name!r}: there is no such folder; hub:OWNER/NAME downloads one")
    return None


def persistent(network: nn.Module) -> nn.Module:
    """Every tensor of it is saved, those too that a package would make anew."""
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer)
    return network


def require_whole(network: nn.Module, missing: Sequence[str], folder: Folder) -> None:
    """Raises BackboneError if weights of a folder are missing in it, or are no finite numbers."""
    if missing:
        raise BackboneError(
            f"the weights in {folder.path} lack {len(missing)} that its config.json asks for, {min(missing)} first; "
            "they are those of another network"
        )
    if any(not torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise BackboneError(f"the weights in {folder.path} are not all finite numbers; download them again")


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


def _loaded(family: type[FolderNetwork], folder: Folder, config: str, taken: tuple[int, ...]) -> nn.Module:
    return _loaded_once(family, folder.path, config, taken, tuple(folder.digests.items()))


@lru_cache(maxsize=1)
def _loaded_once(family: type[FolderNetwork], path: Path, config: str, taken: tuple[int, ...], _: object) -> nn.Module:
    """The network of a folder, read once for all folds of a fit, to be copied by each user.

    By `deepcopy`: a package's classes may tie weights together or refer to modules in ways of their own.
    """
    return family.loaded(json.loads(config), taken, Folder(path))

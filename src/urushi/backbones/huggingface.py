"""Networks of the package transformers, from a folder in Hugging Face layout: convolutional ones and transformers."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import nn

from urushi.backbones import _architecture, _loading
from urushi.backbones._folder import CONFIG, Folder
from urushi.backbones._from_folder import THIRDS, FolderNetwork, folder_of
from urushi.backbones.base import Layer
from urushi.catalogue.extras import require


class HuggingFaceNetwork(FolderNetwork):
    """A network by its config: of stages, at 1/4 to 1/32 of the image, or a transformer whose layers share one grid."""

    family = "huggingface"
    package = "transformers"

    def __init__(
        self, name: str, config: Mapping[str, Any], folder: Folder | None, told: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(name, config, folder, told)
        self.layers = {number: Layer(*layer) for number, layer in enumerate(_architecture.layers(config), start=1)}
        last = len(self.layers)
        thirds = {max(1, round(last * share)) for share in THIRDS}
        self.pyramid = tuple(self.layers)[-3:] if "depths" in config else tuple(sorted(thirds))
        self.joined = self.pyramid

    @classmethod
    def find(cls, name: str) -> Self | None:
        folder = folder_of(name)
        if folder is None or folder.is_of_timm:
            return None
        cls.require()
        return cls(name, cls.checked(folder.config, str(folder.path / CONFIG)), folder)

    @classmethod
    def require(cls) -> None:
        require("transformers", "backbones")

    @staticmethod
    def checked(config: object, where: str) -> dict[str, Any]:
        return _architecture.checked(config, where)

    @staticmethod
    def built(config: Mapping[str, Any], taken: Sequence[int]) -> nn.Module:
        return _loading.built(_architecture.cut(config, taken[-1]), taken)

    @staticmethod
    def loaded(config: Mapping[str, Any], taken: Sequence[int], folder: Folder) -> nn.Module:
        return _loading.loaded(_architecture.cut(config, taken[-1]), taken, folder)

    def pixels(self, folder: Folder) -> dict[str, Any]:
        mean, deviation = folder.normalisation
        return {"mean": mean, "deviation": deviation, "size_px": folder.size_px}

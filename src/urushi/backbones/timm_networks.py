"""Networks of the package timm, from a folder as its networks lie on the Hugging Face hub, or by their names there."""

import re
from collections.abc import Mapping
from typing import Any, Self

from urushi.backbones import _timm
from urushi.backbones._folder import CONFIG, Folder
from urushi.backbones._from_folder import THIRDS, FolderNetwork, folder_of
from urushi.backbones._hub import PREFIX, TIMM
from urushi.backbones.base import UNKNOWN, Layer
from urushi.errors import BackboneError
from urushi.printable import printable

_NAME = re.compile(r"timm:(\w+)(\.\w+)?(@[\w./-]+)?")


class TimmNetwork(FolderNetwork):
    """A network by its architecture; layers are counted as timm counts them, from 0."""

    family = "timm"
    package = "timm"
    require = staticmethod(_timm.require)
    checked = staticmethod(_timm.checked)
    built = staticmethod(_timm.built)
    loaded = staticmethod(_timm.loaded)

    def __init__(
        self, name: str, config: Mapping[str, Any], folder: Folder | None, told: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(name, config, folder, told)
        self.layers = {number: Layer(*layer) for number, layer in enumerate(_timm.layers(config))}
        self.pyramid = self.joined = tuple(_chosen(self.layers))

    @classmethod
    def find(cls, name: str) -> Self | None:
        if name.startswith(TIMM):
            folder = folder_of(_on_hub(name))
        else:
            folder = folder_of(name)
            folder = folder if folder and folder.is_of_timm else None
        if folder is None:
            return None
        cls.require()
        return cls(name, cls.checked(folder.config, str(folder.path / CONFIG)), folder)

    def pixels(self, folder: Folder) -> dict[str, Any]:
        said = _pretrained(folder)
        mean, deviation = (folder.numbers(CONFIG, said, key) for key in ("mean", "std"))
        size = said.get("input_size")
        sides = [side for side in size[1:] if type(side) is int] if isinstance(size, list) else []
        return {"mean": mean, "deviation": deviation, "size_px": min(sides, default=None)}

    def licence(self, folder: Folder) -> str:
        said, named = folder.licence, _pretrained(folder).get("license")
        return printable(named)[:100] if said == UNKNOWN and isinstance(named, str) and named else said


def _on_hub(name: str) -> str:
    """The name on the hub of timm:ARCHITECTURE or timm:ARCHITECTURE.TAG; without a tag it is that of timm's default."""
    if not (found := _NAME.fullmatch(name)):
        raise BackboneError(f"model.backbone = {name!r}: write timm:NAME, such as timm:resnet18.a1_in1k")
    architecture, tag, revision = found.groups(default="")
    _timm.require()
    return f"{PREFIX}timm/{architecture}{tag or _timm.default_tag(architecture)}{revision}"


def _pretrained(folder: Folder) -> dict[str, Any]:
    """What config.json says of how the weights came about; older ones say it beside the architecture."""
    said = folder.config.get("pretrained_cfg", folder.config)
    return said if isinstance(said, dict) else {}


def _chosen(layers: Mapping[int, Layer]) -> list[int]:
    """The last of each of the three coarsest grids; of one that all share, those after each third."""
    last_of = {layer.px: number for number, layer in layers.items()}
    if len(last_of) > 1:
        return sorted(last_of.values())[-3:]
    return sorted({max(1, round(len(layers) * share)) - 1 for share in THIRDS})

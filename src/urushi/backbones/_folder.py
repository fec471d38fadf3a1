"""A folder in Hugging Face layout: what is read of it, and what is refused. Nothing in it is unpickled or run."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from urushi.backbones.base import UNKNOWN, sha256
from urushi.errors import BackboneError
from urushi.printable import printable

CONFIG, PREPROCESSOR, WEIGHTS, INDEX = (
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
)
_MOST_JSON_BYTES = 16 * 2**20
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_LICENCE = re.compile(r"^license(_name)?:[ \t]*(\S[^\n]{0,99})$", re.MULTILINE)


@dataclass(frozen=True)
class Folder:
    """Config, pixel statistics, weights and licence of a network; raises BackboneError where one is not in order."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What config.json says."""
        found = self._json(CONFIG)
        if "auto_map" in found or found.get("trust_remote_code"):
            raise BackboneError(
                f"{self.path / CONFIG} asks for code of its own (auto_map), and code from a folder is never run; take "
                "a network that the package transformers knows by itself"
            )
        return found

    @property
    def is_of_timm(self) -> bool:
        """Whether the network is one of the package timm."""
        return "model_type" not in self.config and "architecture" in self.config

    @cached_property
    def normalisation(self) -> tuple[list[float], list[float]]:
        """Mean and deviation by channel that pixels in [0, 1] are brought to, by preprocessor_config.json."""
        found = self._json(PREPROCESSOR)
        if found.get("do_flip_channel_order"):
            raise BackboneError(f"{self.path / PREPROCESSOR} asks for channels in the order BGR, which is not done")
        # It speaks of levels 0…255 times a factor, which is 1/255 but for some networks.
        factor = 255 * float(found.get("rescale_factor", 1 / 255)) if found.get("do_rescale", True) else 255.0
        if not found.get("do_normalize", True):
            return [0.0], [1 / factor]
        mean, deviation = (self.numbers(PREPROCESSOR, found, key) for key in ("image_mean", "image_std"))
        return [value / factor for value in mean], [value / factor for value in deviation]

    @cached_property
    def size_px(self) -> int | None:
        """The side of the images that it was made for, as its preprocessor says, if it does."""
        found = self._json(PREPROCESSOR)
        size = found.get("crop_size") or found.get("size")
        sides = list(size.values()) if isinstance(size, dict) else [size]
        return min((side for side in sides if type(side) is int), default=None)

    @cached_property
    def weights(self) -> list[Path]:
        """Its files of weights, all of them safetensors."""
        files = [self.path / WEIGHTS] if (self.path / WEIGHTS).is_file() else list(self._shards())
        for file in files:
            _require_whole(file)
        return files

    @cached_property
    def digests(self) -> dict[str, str]:
        """The sha256 of each file of weights by its name."""
        return {file.name: sha256(file) for file in self.weights}

    @property
    def licence(self) -> str:
        """What the front matter of README.md or config.json names; `unknown` where none does."""
        readme = self.path / "README.md"
        text = readme.read_text(errors="replace") if readme.is_file() else ""
        front = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
        named = {kind: value.strip().strip("\"'") for kind, value in _LICENCE.findall(front)}
        found = named.get("_name") or named.get("") or self.config.get("license")
        return printable(found)[:100] if isinstance(found, str) and found else UNKNOWN

    def numbers(self, file: str, found: dict[str, Any], key: str) -> list[float]:
        """One number for each channel, deviations above 0, of what a file says; raises BackboneError."""
        values = found.get(key)
        values = [values] if isinstance(values, int | float) else values
        is_right = isinstance(values, list) and len(values) in (1, 3) and all(_is_number(value) for value in values)
        if not is_right or (key.endswith("std") and min(values) <= 0):  # type: ignore[arg-type]
            raise BackboneError(f"{self.path / file} has no {key} of 1 or 3 numbers, {values!r:.60}")
        return [float(value) for value in values]  # type: ignore[union-attr]

    def _shards(self) -> Iterator[Path]:
        if not (self.path / INDEX).is_file():
            raise BackboneError(self._without_weights())
        table = self._json(INDEX).get("weight_map")
        names = set(table.values()) if isinstance(table, dict) and all(map(_is_plain, table.values())) else set()
        if not names:
            raise BackboneError(f"{self.path / INDEX} does not name files of this folder in its weight_map")
        yield from (self.path / name for name in sorted(names))

    def _without_weights(self) -> str:
        pickled = sorted(file.name for file in self.path.iterdir() if file.suffix in _PICKLED)
        if not pickled:
            return f"{self.path} has no {WEIGHTS}; download it, too, or save the network there with save_pretrained"
        return (
            f"{self.path} has no {WEIGHTS}, only {printable(pickled[0])}: that is not read, since to unpickle a file "
            "may run code in it. Download the safetensors, or have whoever trusts the file save it by save_pretrained"
        )

    def _json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        if not file.is_file():
            raise BackboneError(f"{self.path} has no {name}; it lies beside the weights where they come from")
        if file.stat().st_size > _MOST_JSON_BYTES:
            raise BackboneError(f"{file} has more than {_MOST_JSON_BYTES // 2**20} MiB; it is damaged")
        try:
            found = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise BackboneError(f"{file} cannot be read: {printable(str(error))[:200]}") from None
        if not isinstance(found, dict):
            raise BackboneError(f"{file} is no table of names and values")
        return found


def _require_whole(file: Path) -> None:
    import safetensors

    try:
        with safetensors.safe_open(file, framework="np") as opened:
            opened.keys()
    except FileNotFoundError:
        raise BackboneError(f"{file} is missing; the folder is incomplete, download it again") from None
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        reason = printable(str(error))[:200]
        raise BackboneError(f"{file} is damaged, cut off or no safetensors ({reason}); download it again") from None


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name and "\\" not in name


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]

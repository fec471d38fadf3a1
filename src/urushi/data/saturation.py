"""Saturation thresholds: how much of a defect has to be found for it to count as found whole (MVTec LOCO).

Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and Localization",
IJCV 2022. Where a part is missing, for example, any place where it could be is right, and none need be marked whole.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from urushi.data.images import read_image
from urushi.data.masks import mask_files, read_mask
from urushi.errors import InputError, UnreadableImageError

FILE_NAME = "defects_config.json"
_MOST_BYTES = 1 << 20


class DefectSaturation(BaseModel):
    """One entry of the file: of defects whose masks have a pixel value."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    defect_name: str
    pixel_value: Annotated[int, Field(ge=1, le=65535)]
    saturation_threshold: Annotated[float, Field(gt=0)]  # px of the original image, or a share of the defect
    relative_saturation: bool

    @model_validator(mode="after")
    def _is_share(self) -> "DefectSaturation":
        if self.relative_saturation and self.saturation_threshold > 1:
            raise ValueError("a relative saturation_threshold is at most 1")
        return self

    def saturation_px(self, area_px: int) -> float:
        """From how many found px on a defect counts as found whole; at least 1, and rounded as in MVTec's code."""
        own = int(self.saturation_threshold * area_px) if self.relative_saturation else self.saturation_threshold
        return max(min(own, area_px), 1)


@dataclass(frozen=True)
class Region:
    """One region of ground truth, (h, w) in the resolution of its file, and how it saturates."""

    file: Path
    mask: NDArray[np.bool_]
    saturation: DefectSaturation


@dataclass(frozen=True)
class Saturation:
    """The saturation of each type of defect, by the pixel value that names it in masks."""

    file: Path
    by_pixel_value: dict[int, DefectSaturation]

    @classmethod
    def read(cls, file: Path) -> "Saturation":
        """From a file as MVTec LOCO's; raises InputError if it can't be read, or says what can't be."""
        try:
            entries = TypeAdapter(list[DefectSaturation]).validate_json(_bytes(file))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"{file}: {place}{': ' if place else ''}{first['msg']}. {_ALLOWED}") from None
        numbers = Counter(entry.pixel_value for entry in entries)
        if twice := [value for value, n in numbers.items() if n > 1]:
            raise InputError(f"{file}: the pixel value {twice[0]} names more than one defect. {_ALLOWED}")
        return cls(file, {entry.pixel_value: entry for entry in entries})

    def regions(self, mask: Path) -> list[Region]:
        """The regions that a mask marks: one for each of its files. Raises UnreadableImageError.

        A file has one level but 0, which names the type of defect; one without any marks no region.
        """
        found = [self._region(file) for file in mask_files(mask)]
        return [region for region in found if region is not None]

    def _region(self, file: Path) -> Region | None:
        marked, pixels = read_mask(file), read_image(file)
        levels = np.unique(pixels[pixels > 0])
        if not levels.size:
            return None
        if pixels.ndim != 2 or levels.size > 1 or levels[0] not in self.by_pixel_value:
            raise UnreadableImageError(str(file), self._unknown(pixels, levels))
        return Region(file, marked, self.by_pixel_value[int(levels[0])])

    def _unknown(self, pixels: NDArray[np.generic], levels: NDArray[np.generic]) -> str:
        if pixels.ndim != 2 or levels.size > 1:
            return (
                "it has several levels or colours; saturation needs one grey level in a file, one file for each region"
            )
        return f"its level {levels[0]} names no defect in {self.file}"


_ALLOWED = (
    "It must be a list of objects with defect_name, pixel_value (1 to 65535, each once), saturation_threshold (above "
    "0) and relative_saturation (true or false), as MVTec LOCO's defects_config.json."
)


def find_saturation(root: Path) -> Path | None:
    """The file of saturation thresholds in the folder of a data set, or else beside that folder."""
    whole = root.resolve()
    return next((folder / FILE_NAME for folder in (whole, whole.parent) if (folder / FILE_NAME).is_file()), None)


def _bytes(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise InputError(f"{file}: there is no such file of saturation thresholds. {_ALLOWED}")
        with file.open("rb") as stream:
            read = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    if len(read) > _MOST_BYTES:
        raise InputError(f"{file}: larger than {_MOST_BYTES:,} bytes, so it holds no saturation thresholds. {_ALLOWED}")
    return read

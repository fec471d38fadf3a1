"""Content-aware resizing: seams of least contrast are taken out, or doubled, one by one."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from urushi.catalogue.extras import require
from urushi.preprocessing.base import Image, Step

Energy = Literal["backward", "forward"]


def seam_carving(image: Image, height: int, width: int, energy: Energy = "backward") -> Image:
    """(H, W[, 3]) -> (height, width[, 3]), dtype kept; what is removed are whole pixels, so that levels stay exact.

    Each seam costs a pass over the image: bring large ones near their size with `resize` first. Raises
    MissingPackageError.
    """
    if image.shape[:2] == (height, width):
        return image
    require("seam_carving", "seam-carving")
    import seam_carving as package

    carved = package.resize(image, (width, height), energy_mode=energy)
    return np.ascontiguousarray(carved)


@dataclass(frozen=True, kw_only=True)
class SeamCarving(Step):
    """One size for all images; flat regions give way before the object does.

    Positions in the original image are approximate: seams come out unevenly, and the way back takes them as even.
    """

    follows_content: ClassVar[bool] = True

    height: Annotated[int, Field(ge=1, le=16384, description="height after resizing, in px")]
    width: Annotated[int, Field(ge=1, le=16384, description="width after resizing, in px")]
    energy: Annotated[
        Energy, Field(description="backward: seams through low contrast; forward: those that leave low contrast")
    ] = "backward"

    def apply(self, image: Image) -> Image:
        return seam_carving(image, self.height, self.width, self.energy)

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        back = np.diag([image.shape[1] / self.width, image.shape[0] / self.height, 1.0])
        return self.apply(image), back

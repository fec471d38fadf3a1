"""Ground-truth masks: which pixels of a file are a defect, whether it fits its image, and what looks inverted.

A mask is a file, or a folder whose files together are the mask of one image (MVTec LOCO).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from PIL import Image

from urushi.data._files import ask_header, listing_of
from urushi.data._mask_levels import border, by_alpha, by_levels, by_palette, grey_of
from urushi.data._pillow import Layers, layers_of, orientation_of
from urushi.data._pixels import RefusalError, upright
from urushi.data._quiet import quiet_decoders
from urushi.data.folders import images_in, is_folder
from urushi.data.images import ImageSource, name_of, read_image
from urushi.errors import UnreadableImageError
from urushi.printable import in_px

_MAX_ASPECT_ERROR = 0.02  # how much the sides of a mask may deviate from those of its image
INVERTED = (
    "marks most of its image and of the border, as nearly all masks here do: are they inverted? "
    "They must be 0 where there is no defect"
)

Size = tuple[int, int]  # height, width in px


def read_mask(source: ImageSource) -> np.ndarray:
    """A ground-truth mask as (H, W) bool, True where a defect is; raises UnreadableImageError.

    Of two levels or labels each but 0 is a defect; with soft edges or noise, what is above half of the highest level.
    Of a palette the index counts, of varying transparency what is visible, on a light ground what has another colour.
    What is ambiguous is refused. A folder gives all its masks in one.
    """
    if isinstance(source, (str, Path)) and is_folder(Path(source)):
        return _together(Path(source))
    _require_one_page(source)
    pixels = read_image(source)
    try:
        with quiet_decoders():
            return np.require(_marked(pixels, _layers(source)), np.bool_, ["C", "W"])
    except RefusalError as refusal:
        raise UnreadableImageError(name_of(source), str(refusal)) from refusal


def mask_files(mask: Path | None) -> list[Path]:
    """The files of a sample's mask: itself, those of its folder, or none."""
    if mask is None:
        return []
    return images_in(mask) if is_folder(mask) else [mask]


def fitting(mask: np.ndarray, size: Size, image: Path) -> np.ndarray | None:
    """A mask (h, w) that lies on an upright image of a size (height, width), in the mask's own resolution.

    Where the mask fits the image only as it was before its EXIF orientation, it is turned with it. None where the ratio
    of the sides is another one.
    """
    shape, turned = mask.shape[:2], (size[1], size[0])
    if shape != size and (shape == turned or not is_like(mask, size)) and is_like(mask, turned):
        orientation = _orientation(image)
        if orientation in (5, 6, 7, 8):
            return upright(mask, orientation)
    return mask if is_like(mask, size) else None


def is_like(mask: np.ndarray, size: Size) -> bool:
    """Whether a mask (h, w) has the ratio of the sides of an image of a size (height, width), within 2 %."""
    (rows, columns), (height, width) = mask.shape[:2], size
    return bool(abs(rows * width / (columns * height) - 1) <= _MAX_ASPECT_ERROR)


def misfit(mask: np.ndarray, size: Size) -> str:
    """Why a mask does not fit an image of a size (height, width)."""
    return f"the mask has {in_px(mask.shape)}, its image {in_px(size)}"


@dataclass(frozen=True)
class Coverage:
    """How much of one image its mask marks."""

    kind: str  # of defect
    share: float  # of all pixels
    border_share: float

    @classmethod
    def of(cls, mask: np.ndarray, kind: str) -> "Coverage":
        """That of a mask (h, w), non-zero = defect."""
        return cls(kind, float((mask != 0).mean()), float(border(mask != 0).mean()))

    @property
    def is_doubtful(self) -> bool:
        """Whether the mask may be inverted."""
        return self.share > 0.5 and self.border_share > 0.5

    @property
    def remark(self) -> str | None:
        """What to say of the mask if it is used."""
        return f"marks {self.share:.0%} of its image; is that right?" if self.share > 0.5 else None


def inverted(coverages: Sequence[Coverage]) -> set[str]:
    """The kinds of defect whose doubtful masks are inverted, from the coverage of each mask that marks something.

    All are where most masks are doubtful; else a kind nearly all of whose masks are, if it has several.
    """
    doubtful = Counter(one.kind for one in coverages if one.is_doubtful)
    partly = Counter(one.kind for one in coverages if one.is_doubtful and one.share < 1)
    kinds = Counter(one.kind for one in coverages)
    if 2 * doubtful.total() > len(coverages):
        return set(doubtful)
    return {kind for kind, n in partly.items() if n > 1 and 4 * n >= 3 * kinds[kind]}


def _together(folder: Path) -> np.ndarray:
    masks = [read_mask(path) for path in images_in(folder)]
    if not masks:
        raise UnreadableImageError(str(folder), "this folder of masks holds none")
    if sizes := {mask.shape for mask in masks} - {masks[0].shape}:
        first, other = (in_px(shape) for shape in (masks[0].shape, min(sizes)))
        raise UnreadableImageError(str(folder), f"its masks differ in size: {first} and {other}")
    return reduce(np.logical_or, masks)


def _require_one_page(source: ImageSource) -> None:
    """Raises UnreadableImageError for a file of several masks: which of them is meant is not said."""
    n_pages = len(listing_of(Path(source)).numbers) if isinstance(source, (str, Path)) else 1
    if n_pages > 1:
        reason = f"the mask has {n_pages} pages; save each as a file in a folder of the image's name"
        raise UnreadableImageError(name_of(source), reason)


def _layers(source: ImageSource) -> Layers:
    if isinstance(source, Image.Image):
        return layers_of(source)
    if isinstance(source, np.ndarray) and source.ndim == 3 and source.shape[2] == 4:
        return Layers(alpha=source[:, :, 3])
    found = ask_header(Path(source), layers_of) if isinstance(source, (str, Path)) else None
    return found or Layers()


def _marked(pixels: np.ndarray, layers: Layers) -> np.ndarray:
    if layers.alpha is not None and layers.alpha.min() < layers.alpha.max():
        return by_alpha(pixels, layers.alpha)
    if layers.alpha is not None and not layers.alpha.any() and (pixels == pixels[:1, :1]).all():
        return np.zeros(pixels.shape[:2], np.bool_)  # nothing was drawn
    if layers.index is not None:
        return by_palette(layers.index, pixels)
    return by_levels(grey_of(pixels), is_lossy=layers.is_lossy)


def _orientation(image: Path) -> object:
    try:
        with quiet_decoders():
            return ask_header(image, orientation_of)
    except Exception:  # decoders raise nearly every exception there is on a damaged file
        return None

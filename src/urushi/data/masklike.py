"""Whether images look like masks of defects rather than photographs of parts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from urushi.data.images import read_image
from urushi.errors import UnreadableImageError

_LOOKED_AT = 20
_NEARLY_ALL = 0.9


def look_like_masks(images: Sequence[Path]) -> bool:
    """Whether nearly all of some images hold black and at most one other level, and one holds both.

    Looks at up to 20 of them, spread evenly; what cannot be read says nothing.
    """
    chosen = images[:: max(1, len(images) // _LOOKED_AT)][:_LOOKED_AT]
    levels = [found for image in chosen if (found := _levels(image)) is not None]
    masks = [found for found in levels if found in ((True, 1), (True, 2), (False, 1))]
    return (True, 2) in masks and len(masks) >= _NEARLY_ALL * len(levels)


def _levels(image: Path) -> tuple[bool, int] | None:
    """Whether black occurs, and how many colours do, up to three; None if the image cannot be read."""
    try:
        pixels = read_image(image)
    except UnreadableImageError:
        return None
    colours = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1)
    others = colours[(colours != colours[0]).any(axis=1)]
    n = 1 if not len(others) else 2 if (others == others[0]).all() else 3
    return bool(np.any(~colours.any(axis=1))), n

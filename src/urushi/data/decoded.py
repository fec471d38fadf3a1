"""Images for those who look at them more than once without keeping them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from urushi.data.images import ImageSource, read_image
from urushi.data.stream import stream
from urushi.errors import UnreadableImageError


@dataclass(frozen=True)
class Decoded:
    """The readable ones among some images, decoded anew at each pass; the others are listed when they are prepared."""

    sources: Sequence[ImageSource]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for image in stream(_decoded, self.sources, ahead=8) if image is not None)


def _decoded(source: ImageSource) -> np.ndarray | None:
    try:
        return read_image(source)
    except UnreadableImageError:
        return None

"""What an exported graph takes and gives, checked before it is trusted with an image."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from urushi.errors import DetectorFileError
from urushi.runtime.backend import Output

INPUT = "images"
MAP, SCORE, RECONSTRUCTION = "anomaly_map", "score", "reconstruction"
Shape = tuple[int, int, int]  # channels, height, width


class Signature(NamedTuple):
    """The shapes by name, without the number of images; a side that is not fixed is None."""

    inputs: Mapping[str, Sequence[int | None]]
    outputs: Mapping[str, Sequence[int | None]]

    def check(self, image_shape: Shape) -> None:
        """Raises DetectorFileError unless the graph takes prepared images of this shape and gives what it should."""
        size = image_shape[1:]
        required = {MAP: (1, *size), SCORE: ()}
        expected = required | ({RECONSTRUCTION: image_shape} if RECONSTRUCTION in self.outputs else {})
        if not (_is_same(self.inputs, {INPUT: image_shape}) and _is_same(self.outputs, expected)):
            found = f"takes {_plain(self.inputs)} and gives {_plain(self.outputs)}"
            raise DetectorFileError(f"its graph {found}, which does not fit images of (C, H, W) = {image_shape}")


def output_of(found: Mapping[str, np.ndarray]) -> Output:
    """The outputs by name as the seam has them."""
    return Output(found.get(RECONSTRUCTION), found[MAP][:, 0], found[SCORE])


def _is_same(found: Mapping[str, Sequence[int | None]], expected: Mapping[str, Sequence[int]]) -> bool:
    return {name: tuple(shape) for name, shape in found.items()} == {n: tuple(s) for n, s in expected.items()}


def _plain(shapes: Mapping[str, Sequence[int | None]]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())

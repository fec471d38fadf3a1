"""Transforms in a row: drawn apart from applying them, composed, and the pixels interpolated once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isfinite
from typing import Any, Literal

import cv2
import numpy as np

from urushi import catalogue
from urushi.augmentation.base import NO_SECOND_MAP, Parameters, Projective, Size, Transform, through
from urushi.catalogue import options
from urushi.errors import InputError
from urushi.printable import in_px
from urushi.recipe import Augmentation as Section
from urushi.recipe import Part

ROOM = "urushi.augmentation"
_MAXIMUM_SIDE_PX = 32766  # OpenCV counts the pixels of a line in 16 bits

Border = Literal["reflect", "edge", "constant"]
Interpolation = Literal["bilinear", "bicubic"]

_BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}
_INTERPOLATIONS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one image: names of transforms and their parameters, in the order in which they are done."""

    steps: tuple[tuple[str, Parameters], ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values, such as [{"name": "rotation", "degrees": 12.5}]; `from_json` gives an equal object back."""
        return [{"name": name, **parameters} for name, parameters in self.steps]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> "Drawn":
        """From what `to_json` gave; raises InputError for unknown names and for values that are no finite numbers."""
        if not isinstance(data, list) or not all(isinstance(step, Mapping) for step in data):
            raise InputError(f"what was drawn is a list of tables with the name of a transform each; got {data!r}.")
        return cls(tuple(_checked_step(step) for step in data))


@dataclass(frozen=True)
class Augmentation:
    """Transforms, and how pixels are found: beyond the edge, and between the pixels of the source.

    What is mirrored at the edge suits textures; a part on an even ground needs border "edge" or "constant", or else
    pieces of a second one appear beside it.
    """

    transforms: tuple[Transform, ...] = ()
    border: Border = "reflect"
    fill_level: float = 0.0  # of a constant border, 0…255 whatever the depth of the image
    interpolation: Interpolation = "bilinear"

    @classmethod
    def of(cls, section: Section) -> "Augmentation":
        """Built from a recipe's `[augmentation]`; raises RecipeError for unknown transforms or options."""
        transforms = tuple(_transform(part) for part in section.transforms)
        return cls(transforms, section.border, section.fill_level, section.interpolation)

    def draw(self, rng: np.random.Generator, size: Size) -> Drawn:
        """What is to be done to one image of a size (height, width); the only place where chance comes in."""
        done = [transform for transform in self.transforms if rng.random() < transform.probability]
        return Drawn(tuple((transform.name, transform.draw(rng, size)) for transform in done))

    def apply(self, image: np.ndarray, drawn: Drawn) -> np.ndarray:
        """(H, W) or (H, W, C) of uint8, uint16 or float32 in [0, 1] -> a new image of the same shape and type.

        Floats stay in the range of the image and the fill level; bicubic rounds places to 1/32 px, as OpenCV does.
        Raises InputError for other images and for parameters that do not fit their transform.
        """
        _check(image)
        fill = self.fill_level / 255 * (1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max))
        warped = _warped(image, drawn, _INTERPOLATIONS[self.interpolation], _BORDERS[self.border], fill)
        if image.dtype.kind != "f":
            return warped
        ends = (image.min(), image.max(), *((fill,) if self.border == "constant" else ()))
        return np.asarray(np.clip(warped, np.float32(min(ends)), np.float32(max(ends))))

    def apply_mask(self, mask: np.ndarray, drawn: Drawn) -> np.ndarray:
        """(H, W), not zero where a defect is -> bool: where it covers more than half of a pixel afterwards.

        It has the border of the image: what is seen mirrored there is defective as well; a constant border is not.
        """
        coverage = (mask != 0).astype(np.float32)
        _check(coverage)
        return np.asarray(_warped(coverage, drawn, cv2.INTER_LINEAR, _BORDERS[self.border], 0.0) > 0.5)


@cache
def _kind(name: str) -> type[Transform]:
    return catalogue.load(ROOM, name, Transform)


def _transform(part: Part) -> Transform:
    return options.build(_kind(part.name), part.options, f"augmentation.{part.name}")


def _checked_step(step: Mapping[str, Any]) -> tuple[str, Parameters]:
    name, parameters = step.get("name"), {key: value for key, value in step.items() if key != "name"}
    wrong = [k for k, v in parameters.items() if not (isinstance(v, int | float) and isfinite(v))]
    if not isinstance(name, str) or wrong:
        raise InputError(f"a drawn transform has a name and finite numbers; got {dict(step)!r}.")
    return _kind(name).name, parameters


def _check(image: np.ndarray) -> None:
    if image.dtype not in (np.uint8, np.uint16, np.float32) or image.ndim not in (2, 3) or not image.size:
        raise InputError(
            f"augmentation takes (H, W) or (H, W, C) of uint8, uint16 or float32; got {image.shape} of {image.dtype}."
        )
    if max(image.shape[:2]) > _MAXIMUM_SIDE_PX:
        raise InputError(f"the image has {in_px(image.shape)}; augmentation takes up to {_MAXIMUM_SIDE_PX} px a side.")


def _warped(image: np.ndarray, drawn: Drawn, interpolation: int, border: int, fill: float) -> np.ndarray:
    """Three channels at a time or one: OpenCV finds the places of two to 1/32 px only, and takes no more than four."""
    matrix, points = _sources(drawn, (image.shape[0], image.shape[1]))
    if points is None and np.array_equal(matrix, np.eye(3)):
        return image.copy()
    if border == cv2.BORDER_REFLECT_101 and 1 in image.shape[:2]:
        border = cv2.BORDER_REFLECT  # OpenCV 5.0 never comes back from a side of one pixel, bicubic

    def warp(source: np.ndarray) -> Any:
        look: dict[str, Any] = {"borderMode": border, "borderValue": (fill,) * 4}
        if points is not None:
            return cv2.remap(source, points, NO_SECOND_MAP, interpolation, **look)
        flags, size = interpolation | cv2.WARP_INVERSE_MAP, (image.shape[1], image.shape[0])
        if np.array_equal(matrix[2], (0, 0, 1)):
            return cv2.warpAffine(source, matrix[:2], size, flags=flags, **look)
        return cv2.warpPerspective(source, matrix, size, flags=flags, **look)

    if image.ndim == 2 or image.shape[2] in (1, 3):
        return np.asarray(warp(image)).reshape(image.shape)  # OpenCV drops an only channel
    n_channels = image.shape[2]
    starts = [*range(0, n_channels - n_channels % 3, 3), *range(n_channels - n_channels % 3, n_channels)]
    parts = [np.ascontiguousarray(part) for part in np.split(image, starts[1:], axis=2)]
    return np.concatenate([warp(part).reshape(part.shape) for part in parts], axis=2)


def _sources(drawn: Drawn, size: Size) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the pixels of the result come from: as a 3×3 matrix, or else as places (H, W, 2) float32.

    The last transform is the first that a place goes back through.
    """
    matrix, points = np.eye(3), None
    for name, parameters in reversed(drawn.steps):
        kind = _kind(name)
        try:
            if issubclass(kind, Projective):
                matrix = kind.matrix(parameters, size) @ matrix
            else:
                points = kind.sources(parameters, _through(matrix, points, size), size)
                matrix = np.eye(3)
        except KeyError as error:
            raise InputError(f"the parameters of {name!r} lack {error}; they are {parameters}.") from None
    return matrix, None if points is None else _through(matrix, points, size)


def _through(matrix: np.ndarray, points: np.ndarray | None, size: Size) -> np.ndarray:
    if points is None:
        points = _pixels(size)
    return points if np.array_equal(matrix, np.eye(3)) else through(matrix, points)


@lru_cache(maxsize=2)
def _pixels(size: Size) -> np.ndarray:
    """The places of all pixels, (H, W, 2) float32, read only."""
    points = np.dstack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size[::-1])))
    points.setflags(write=False)
    return points

"""What a transform is: numbers drawn at random, and where in the source each pixel then comes from.

Coordinates are (x, y) of pixel centres, so that (0, 0) is the middle of the first pixel. A transform maps the places of
the new image to those of its source, which is what lets a sequence be composed and the pixels be interpolated once.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
from pydantic import Field

from urushi.errors import RecipeError

Size = tuple[int, int]  # height, width in px
Parameters = dict[str, float]  # what was drawn: plain numbers, which JSON keeps exactly

NO_SECOND_MAP: Any = None  # OpenCV's types do not know that places may be one array for `remap`


@dataclass(frozen=True, kw_only=True)
class Transform(ABC):
    """A change of geometry; a subclass is a frozen, keyword-only dataclass whose fields are its options.

    Options matter to `draw` only: parameters alone say what is done, so that they can be kept and replayed.
    """

    name: ClassVar[str]  # in the catalogue; that of the module, unless the class says otherwise

    probability: Annotated[float, Field(ge=0, le=1, description="share of images that it is done to")] = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__module__.rpartition(".")[2]

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:
        """Parameters for one image."""

    @staticmethod
    @abstractmethod
    def sources(parameters: Parameters, points: np.ndarray, size: Size) -> np.ndarray:
        """Places (H, W, 2) float32 in the new image -> the places in the source that they show."""


class Projective(Transform):
    """A transform that is a 3×3 matrix, so that several in a row are one."""

    @staticmethod
    @abstractmethod
    def matrix(parameters: Parameters, size: Size) -> np.ndarray:
        """3×3: places (x, y, 1) in the new image -> those in the source that they show."""

    @classmethod
    def sources(cls, parameters: Parameters, points: np.ndarray, size: Size) -> np.ndarray:
        """The points through the matrix."""
        return through(cls.matrix(parameters, size), points)


def through(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Places (H, W, 2) through a 3×3 matrix."""
    is_affine = np.array_equal(matrix[2], (0, 0, 1))
    return np.asarray(cv2.transform(points, matrix[:2]) if is_affine else cv2.perspectiveTransform(points, matrix))


def about_centre(linear: np.ndarray, size: Size) -> np.ndarray:
    """3×3 of a linear map (2×2) that leaves the centre of the image where it is."""
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, centre - linear @ centre
    return matrix


def require_order(transform: str, low: tuple[str, float], high: tuple[str, float]) -> None:
    """Raises RecipeError unless the lower end of a range is at most its upper end; both come with their names."""
    if low[1] > high[1]:
        raise RecipeError(
            f"augmentation.{transform}: {low[0]} = {low[1]:g} is more than {high[0]} = {high[1]:g}; exchange them"
        )

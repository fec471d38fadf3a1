"""Parts turned and shifted onto a template, one of the good images."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing._registration import (
    SIDE_PX,
    Limits,
    Registration,
    Template,
    between_centres,
    correlation,
    features,
    into_square,
    rim,
    square,
)
from urushi.preprocessing.base import Image, Step

Border = Literal["rim", "replicate", "reflect"]
Sampling = Literal["bilinear", "bicubic"]

_BORDERS: dict[Border, int] = {
    "rim": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
}
_SAMPLING: dict[Sampling, int] = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
_ORDINARY = 1.5  # of the median distance from the medians, in features
_LONGEST_PX = 32766  # OpenCV's warp counts pixels in 16 bits


def align(image: Image, matrix: np.ndarray, border: Border = "rim", interpolation: Sampling = "bicubic") -> Image:
    """(H, W[, 3]) -> the same size: at each place what the image has where a 3×3 matrix of pixel corners says.

    Beyond the image is its rim's median level (`rim`), its nearest pixel (`replicate`) or its mirror image (`reflect`).
    dtype kept; floats stay within their range. Raises UnreadableImageError above 32766 px a side.
    """
    if max(image.shape[:2]) > _LONGEST_PX:
        raise UnreadableImageError("image", f"at most {_LONGEST_PX} px a side can be aligned; put `resize` before it")
    moved = cv2.warpAffine(
        image,
        between_centres(matrix)[:2],
        image.shape[1::-1],
        flags=_SAMPLING[interpolation] | cv2.WARP_INVERSE_MAP,
        borderMode=_BORDERS[border],
        borderValue=np.median(rim(image), axis=0).tolist() if border == "rim" else 0,
    )
    return np.clip(moved, image.min(), image.max()) if image.dtype.kind == "f" else np.asarray(moved)


@dataclass(frozen=True, kw_only=True)
class Alignment(Step):
    """Turns and shifts each part onto a template; where it does not fit, the image stays as it is, with a caution.

    The template is a good image that is like the others in spectrum, place and spread. An image of any
    size is registered by a copy of 128 px on its longer side.
    """

    follows_content: ClassVar[bool] = True

    largest_rotation_deg: Annotated[
        float, Field(ge=0, le=180, description="to either side; 180: parts lie in any direction; 0: shifts only")
    ] = 180
    largest_shift: Annotated[
        float, Field(ge=0, le=0.5, description="in x and in y, as a share of the longer side of the image")
    ] = 0.5
    refine: Annotated[bool, Field(description="ECC after the search, for parts of a degree and of a pixel")] = True
    min_correlation: Annotated[
        float, Field(ge=0, le=1, description="with the template; below, an image is left as it is")
    ] = 0.4
    border: Annotated[
        Border, Field(description="beyond the image: the median of its rim, its nearest pixel, or its mirror image")
    ] = "rim"
    interpolation: Annotated[Sampling, Field(description="bicubic keeps edges sharper")] = "bicubic"
    _template: Template | None = field(default=None, init=False, repr=False, compare=False)

    def apply(self, image: Image) -> Image:
        return self.place(image)[0]

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        found = self._register(square(image))
        if found.after < self.min_correlation or np.array_equal(found.matrix, np.eye(3)):
            return image, np.eye(3)
        into = into_square(*image.shape[:2])
        back = np.linalg.inv(into) @ found.matrix @ into
        return align(image, back, self.border, self.interpolation), back

    def doubt(self, image: Image) -> str | None:
        fit = correlation(square(image), self._fitted.levels)
        if fit >= self.min_correlation:
            return None
        return (
            f"It could not be aligned: its correlation with the template of good parts is {fit:.2f}, and "
            f"{self.min_correlation:g} is needed."
        )

    def fit(self, images: Iterable[Image]) -> "Alignment":
        """One pass; it keeps 64 KiB of each image."""
        squares = [square(image) for image in images]
        if not squares:
            return self  # whoever prepares the images says why none is usable
        return self.with_state({"template": _template(squares)})

    def facts(self, images: Iterable[Image]) -> Mapping[str, Any]:
        found = [self._register(square(image)) for image in images]
        before, after = (float(np.median([one[k] for one in found])) if found else 0.0 for k in (1, 2))
        n_aligned = sum(one.after >= self.min_correlation for one in found)
        says = (
            f"{n_aligned} of {len(found)} good images fit the template; median correlation {before:.2f} before, "
            f"{after:.2f} after"
        )
        if 2 * n_aligned < len(found):
            says += "; the parts are too unlike for one template: leave this step out"
        numbers = {"correlation_before": before, "correlation_after": after}
        return {"alignment": {"n_images": len(found), "n_aligned": n_aligned, **numbers, "summary": says}}

    def state(self) -> Mapping[str, np.ndarray]:
        return {} if self._template is None else {"template": self._template.levels}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Alignment":
        fitted = replace(self)
        object.__setattr__(fitted, "_template", Template(state["template"]))
        return fitted

    def _register(self, levels: np.ndarray) -> Registration:
        limits = Limits(self.largest_rotation_deg, self.largest_shift * SIDE_PX)
        return self._fitted.register(levels, limits, refine=self.refine)

    @property
    def _fitted(self) -> Template:
        if self._template is None:
            raise RecipeError("the step `alignment` learns its template while it is fitted; fit the pipeline first")
        return self._template


def _template(squares: list[np.ndarray]) -> np.ndarray:
    """Of those that are no odd ones out, the one of the least checksum.

    So nearly all folds choose as all images do, and need not prepare them anew.
    """
    distances = _distances(np.stack([features(one) for one in squares]))
    ordinary = [squares[place] for place in np.flatnonzero(distances <= _ORDINARY * np.median(distances))]
    return min(ordinary, key=lambda one: zlib.crc32(one.tobytes()))


def _distances(found: np.ndarray) -> np.ndarray:
    """(n,) of features (n, k) from their medians, in units of the median distance of each."""
    distances = np.abs(found - np.median(found, axis=0))
    units = np.median(distances, axis=0)
    return np.asarray((distances / np.where(units > 0, units, 1)).mean(axis=1))

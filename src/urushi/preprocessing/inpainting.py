"""Dead regions of a detector filled in from around them by the Navier–Stokes method (S2 §5.1.6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.data.masks import read_mask
from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.preprocessing._calibration_frames import Detector, read_frame, repeated
from urushi.preprocessing._histograms import otsu
from urushi.preprocessing.base import Image, Step
from urushi.printable import in_px


def inpaint(image: Image, dead: np.ndarray, radius_px: int) -> Image:
    """(H, W[, 3]) with the pixels where `dead` (H, W) is true filled in from at most `radius_px` around (S2 eq. 5.14).

    The dtype and all other pixels are kept; colours are repaired one by one. Raises UnreadableImageError if all pixels
    are dead.
    """
    if dead.all():
        raise UnreadableImageError("image", "every pixel is dead, so that there is nothing to repair it from")
    if not dead.any():
        return image
    channels = [_inpaint_channel(channel, dead, radius_px) for channel in cv2.split(image)]
    return channels[0] if image.ndim == 2 else np.dstack(channels)


def dead_pixel_mask(exposure_on: np.ndarray, exposure_off: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """True where X-rays raise the level by `threshold` (0…255) at most; both frames are (H, W), levels in [0, 1].

    This is exposure ON minus exposure OFF under a global threshold (S2 §5.1.6): the dead side is that of the small
    differences, of pixels that hardly answer to X-rays. Without a threshold it is Otsu's. Raises InputError if the
    frames differ in size, if nothing answers, or if Otsu finds no dead group: one that answers less than half as much
    as the others.
    """
    if exposure_on.shape != exposure_off.shape:
        sizes = f"exposure_on has {in_px(exposure_on.shape)}, exposure_off {in_px(exposure_off.shape)}"
        raise InputError(f"{sizes}; take both with the same detector")
    answer = 255 * (exposure_on - exposure_off)
    dead = np.asarray(answer <= (otsu(answer) if threshold is None else threshold))
    if dead.all():
        problem = f"exposure_on is brighter than exposure_off by {answer.max():.4g} levels at most, so that every pixel"
        raise InputError(f"{problem} would be dead; are the two swapped, or is the threshold too high?")
    if threshold is None:
        _require_two_groups(answer, dead)
    return dead


@dataclass(frozen=True, kw_only=True)
class Inpainting(Step):
    """Repairs the same dead pixels in every image; put it first, where pixels are still those of the detector."""

    radius_px: Annotated[int, Field(ge=1, le=100, description="how far around a dead pixel to look")] = 20
    mask: Annotated[str | None, Field(description="path of an image that is not 0 where pixels are dead")] = None
    exposure_on: Annotated[str | None, Field(description="path of a calibration image with X-rays")] = None
    exposure_off: Annotated[str | None, Field(description="path of one without; dead is where they hardly differ")] = (
        None
    )
    threshold: Annotated[
        float | None, Field(ge=0, le=255, description="dead is ON minus OFF up to this level, 0…255; none: Otsu's")
    ] = None
    detector: Annotated[Detector, Field(description="line: dead columns, repeated over images of any height")] = "area"
    _dead: np.ndarray | None = field(default=None, init=False, repr=False, compare=False)  # (H, W) or (1, W)

    def apply(self, image: Image) -> Image:
        if self._dead is None:
            raise RecipeError("the step `inpainting` reads its mask while it is fitted; fit the pipeline first")
        return inpaint(image, repeated(self._dead, image, "the mask of dead pixels"), self.radius_px)

    def fit(self, images: Iterable[Image]) -> "Inpainting":  # noqa: ARG002  the calibration says it all
        return self.with_state({"dead": self._read_dead()})

    def state(self) -> Mapping[str, np.ndarray]:
        return {} if self._dead is None else {"dead": self._dead}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Inpainting":
        fitted = replace(self)
        object.__setattr__(fitted, "_dead", state["dead"])
        return fitted

    def _read_dead(self) -> np.ndarray:
        """(H, W) or (1, W) from the files of the options; raises RecipeError, InputError, UnreadableImageError."""
        match self.mask, self.exposure_on, self.exposure_off:
            case str(mask), None, None if self.threshold is None:
                return _read_dead_pixels(mask, self.detector)
            case None, str(on), str(off):
                return dead_pixel_mask(read_frame(on, self.detector), read_frame(off, self.detector), self.threshold)
        names = ("mask", "exposure_on", "exposure_off", "threshold")
        given = ", ".join(name for name in names if getattr(self, name) is not None) or "none of them"
        raise RecipeError(
            "preprocessing.inpainting must be told which pixels are dead: give either `mask` alone or both "
            f"`exposure_on` and `exposure_off` (and, if you like, `threshold`); given: {given}. Or take the step out "
            "of the recipe."
        )


def _inpaint_channel(channel: np.ndarray, dead: np.ndarray, radius_px: int) -> np.ndarray:
    if channel.dtype.kind == "u":
        return _navier_stokes(channel, dead, radius_px)
    # As 0…65535, for OpenCV takes gradients under 0.01 for none, which most in [0, 1] would be.
    found = _navier_stokes(channel * np.float32(65535), dead, radius_px) / np.float32(65535)
    live = channel[~dead]
    return np.where(dead, np.clip(found, live.min(), live.max()), channel)  # rounding must not leave [0, 1]


def _navier_stokes(channel: np.ndarray, dead: np.ndarray, radius_px: int) -> np.ndarray:
    """OpenCV amid a border, for it reads beyond an image of one row, and up to 4.9 leaves the first row as it is."""
    channel, padded = (np.pad(array, 1, mode="edge") for array in (channel, dead.astype(np.uint8)))
    return np.asarray(cv2.inpaint(channel, padded, radius_px, cv2.INPAINT_NS))[1:-1, 1:-1]


def _read_dead_pixels(path: str, detector: Detector) -> np.ndarray:
    dead = read_mask(path)
    if dead.all():
        raise InputError(f"{path}: every pixel is marked as dead; a mask is 0 where pixels are alive")
    if detector == "area":
        return dead
    if (dead != dead[:1]).any():
        raise InputError(f'{path}: its rows differ, but a line detector has dead columns; use detector = "area"')
    return dead[:1]


def _require_two_groups(answer: np.ndarray, dead: np.ndarray) -> None:
    """Otsu parts anything, noise too."""
    low, high = answer[dead].mean(), answer[~dead].mean()
    if low > high / 2:
        problem = f"Otsu's threshold parts ON minus OFF into levels around {low:.4g} and {high:.4g}, too close for dead"
        raise InputError(f"{problem} and live pixels; give `threshold` as a level 0…255, or take the step out")

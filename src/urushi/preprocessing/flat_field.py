"""Dark-frame and flat-field correction: differences between the pixels of a detector, and of the beam, taken out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.errors import InputError, RecipeError
from urushi.preprocessing._calibration_frames import Detector, read_frame, repeated
from urushi.preprocessing._levels import full_scale, in_depth_of, require_levels
from urushi.preprocessing.base import Image, Step
from urushi.printable import in_px


def flat_field(image: Image, bright: np.ndarray, dark: np.ndarray, open_beam_level: float = 255) -> Image:
    """(image − dark) / (bright − dark), the transmission, times the level (0…255) that the open beam is to have.

    `bright` and `dark` are grey frames (H, W) with levels in [0, 1]; a colour image gets the same correction in each
    channel. The dtype is kept, results are clipped to its range. Dead pixels, where bright ≤ dark, become 0: let
    `inpainting` repair them. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    require_levels(image)
    channels = (...,) if image.ndim == 2 else (..., None)
    offset, gain = dark[channels], (bright - dark)[channels]
    signal = image / full_scale(image.dtype) - offset
    transmission = np.divide(signal, gain, out=np.zeros_like(signal), where=gain > 0)
    return in_depth_of(transmission * (open_beam_level / 255), image.dtype)


@dataclass(frozen=True, kw_only=True)
class FlatField(Step):
    """Every pixel of the detector answers alike; put it first, where pixels are still those of the detector."""

    bright: Annotated[str, Field(description="path of an image of the open beam, without product")]
    dark: Annotated[str | None, Field(description="path of an image without X-rays; none: its levels are 0")] = None
    detector: Annotated[Detector, Field(description="line: one line, the mean of all, serves images of any height")] = (
        "area"
    )
    open_beam_level: Annotated[
        float,
        Field(gt=0, le=255, description="result where nothing is in the beam; under 255, noise above it is not cut"),
    ] = 255
    _frames: np.ndarray | None = field(default=None, init=False, repr=False, compare=False)  # bright, dark: (2, H, W)

    def apply(self, image: Image) -> Image:
        if self._frames is None:
            raise RecipeError("the step `flat_field` reads its calibration while it is fitted; fit the pipeline first")
        bright, dark = (repeated(frame, image, "the flat-field calibration") for frame in self._frames)
        return flat_field(image, bright, dark, self.open_beam_level)

    def fit(self, images: Iterable[Image]) -> "FlatField":  # noqa: ARG002  the calibration says it all
        return self.with_state({"frames": self._read_frames()})

    def state(self) -> Mapping[str, np.ndarray]:
        return {} if self._frames is None else {"frames": self._frames}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "FlatField":
        fitted = replace(self)
        object.__setattr__(fitted, "_frames", state["frames"])
        return fitted

    def _read_frames(self) -> np.ndarray:
        """(2, H, W) or (2, 1, W); raises InputError, UnreadableImageError."""
        bright = read_frame(self.bright, self.detector)
        dark = read_frame(self.dark, self.detector) if self.dark else np.zeros_like(bright)
        if bright.shape != dark.shape:
            raise InputError(
                f"`bright` has {in_px(bright.shape)}, `dark` {in_px(dark.shape)}; take both with the same detector"
            )
        if not (bright > dark).any():
            raise InputError("`bright` is nowhere brighter than `dark`; are the two swapped?")
        return np.stack([bright, dark])

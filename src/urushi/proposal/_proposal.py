"""A proposal: what was found, what follows for the recipe, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from urushi.errors import DatasetError
from urushi.preprocessing.base import Image
from urushi.preprocessing.grey import grey
from urushi.preprocessing.inpainting import inpaint
from urushi.preprocessing.resize import resize
from urushi.preprocessing.scale import scale
from urushi.proposal._background import Background, find_background, percent
from urushi.proposal._choices import choose_crop, choose_gamma, choose_knots, tails
from urushi.proposal._dead_pixels import find_dead_pixels
from urushi.recipe import Part, Recipe

MOST_IMAGES = 200  # looked at; more would hardly move a quantile
_SIZE_PX = 128  # of the recipe `autoencoder`, whose model sees what is proposed
_MARGIN_PX = 3  # the blurred edge of the object stays in view
_RADIUS_PX = 3  # of the repair for looking; the recipe has the default of the step


@dataclass(frozen=True, eq=False)
class Proposal:
    """What the grey levels of some images suggest, and why."""

    frames: np.ndarray  # (n, 128, 128) float32 in 0…255: the images, repaired, grey and reduced
    dead: np.ndarray | None  # (H, W) or (1, W) bool: pixels that are black in every image
    background: Background | None
    knots: tuple[float, float] | None  # levels 0…255 that become 0 and 255; None: no stretching
    exponent: float | None  # γ; None: no gamma correction
    crop_area_px: int | None  # crop to all parts of at least this area; None: no crop
    reasons: tuple[str, ...]  # in words, for each decision

    @property
    def counts(self) -> np.ndarray:
        """The pooled histogram: (256,) pixels at each level."""
        return np.bincount(np.rint(self.frames).astype(np.uint8).ravel(), minlength=256)

    def recipe(self, mask: str) -> Recipe:
        """The proposed preprocessing and the rest of the recipe `autoencoder`; `mask` will be a picture of `dead`."""
        description = " ".join(["Proposed by `urushi prepare --propose`.", *self.reasons])
        changes = {"preprocessing": tuple(Part(**step) for step in self._steps(mask)), "description": description}
        return Recipe.find("autoencoder").model_copy(update=changes)

    def _steps(self, mask: str) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = [{"name": "grey"}]
        if self.dead is not None:
            detector = "line" if len(self.dead) == 1 else "area"
            steps.append({"name": "inpainting", "mask": mask, "detector": detector})
        if self.background and self.crop_area_px:
            crop = {"object_is": self.background.object_is, "min_area_px": self.crop_area_px, "margin_px": _MARGIN_PX}
            steps.append({"name": "crop", **crop})
        steps.append({"name": "scale"})  # here, so that 8 bits leave no gaps between stretched levels
        steps.append({"name": "resize", "height": _SIZE_PX, "width": _SIZE_PX})
        if self.knots:
            steps.append({"name": "contrast_stretching", "knots": [[self.knots[0], 0], [self.knots[1], 255]]})
        if self.exponent:
            steps.append({"name": "gamma", "exponent": self.exponent})
        return steps


def propose(images: Iterable[Image]) -> Proposal:
    """Repair, knots, gamma and crop from the first 200 of some images (re-iterable), good ones if possible.

    The same images in 8 and in 16 bits give the same. Raises DatasetError without any image, UnreadableImageError if
    a float image leaves [0, 1].
    """
    dead = find_dead_pixels(islice(images, MOST_IMAGES))
    frames, areas_px = [], []
    for image in islice(images, MOST_IMAGES):
        frames.append(255 * _frame(image, dead))
        areas_px.append(image.shape[0] * image.shape[1])
    if not frames:
        raise DatasetError("no image could be read, so there is nothing to propose from")
    return _proposal(np.stack(frames), dead, float(np.median(areas_px)))


def _frame(image: Image, dead: np.ndarray | None) -> np.ndarray:
    levels = scale(grey(image))
    if dead is not None:
        levels = inpaint(levels, np.broadcast_to(dead, levels.shape), _RADIUS_PX)
    return resize(levels, _SIZE_PX, _SIZE_PX)


def _proposal(frames: np.ndarray, dead: np.ndarray | None, image_px: float) -> Proposal:
    low, high = tails(frames)
    if high - low < 1:
        reason = f"Nothing to stretch: the levels lie within {low:.4g} to {high:.4g} of 255."
        return Proposal(frames, dead, None, None, None, None, (*_on_dead(dead), reason))
    background, on_background = find_background(frames)
    knots, on_knots = choose_knots(frames, background)
    exponent, on_gamma = choose_gamma(frames, background, knots)
    crop_area_px, on_crop = choose_crop(frames, background, image_px)
    reasons = (*_on_dead(dead), on_background, on_knots, on_gamma, on_crop)
    return Proposal(frames, dead, background, knots, exponent, crop_area_px, reasons)


def _on_dead(dead: np.ndarray | None) -> list[str]:
    if dead is None:
        return []
    return [f"{percent(float(dead.mean()))} of the pixels are black in every image, as dead pixels are: repair them."]

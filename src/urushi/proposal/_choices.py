"""Knots, gamma and crop chosen for a stack of frames, each with its reason in words; levels are in 0…255."""

import numpy as np

from urushi.errors import UnreadableImageError
from urushi.preprocessing.crop import Crop
from urushi.proposal._background import Background, border, percent, share_lost

_TAIL = 0.001  # share of the levels on each side that may be noise
_MOST_LOST = 0.01  # of the object, together with the background
_LEAST_GAIN = 1.15
_NOISY_GAIN = 8
_UNEVEN = 0.25  # of the range between the medians of dark and of bright images
_PIECE = 0.02  # of the object; a piece that large is none of dust
_LARGEST_BOX = 0.75  # share of the image; a crop to more than this is not worth a step that can fail

Knots = tuple[float, float]  # levels that become 0 and 255


def choose_knots(frames: np.ndarray, background: Background | None) -> tuple[Knots | None, str]:
    """The levels that become 0 and 255, and why; a background is cut off where `cuts_off` says so."""
    if background is None:
        return _stretch(tails(frames), "these hold all but a thousandth of the pixels at each end")
    cut = _cut(frames, background)
    if not cuts_off(frames, background):
        lost = percent(share_lost(frames, background, cut))
        why = f"the background is not cut off, as {lost} of the object has its levels and would vanish with it"
        return _stretch(tails(frames), why)
    low, high = tails(frames[~background.holds(frames)])
    if background.tone == "bright":
        why = f"the object starts at {low:.4g}, and the background turns uniform white from {cut:.4g} on"
        return _stretch((low, cut), why)
    why = f"the background turns uniform black up to {cut:.4g}, and the object ends at {high:.4g}"
    return _stretch((cut, high), why)


def cuts_off(frames: np.ndarray, background: Background) -> bool:
    """Whether the background can be made uniform without taking much of the object with it."""
    return share_lost(frames, background, _cut(frames, background)) <= _MOST_LOST


def _stretch(knots: Knots, why: str) -> tuple[Knots | None, str]:
    low, high = knots
    gain = 255 / max(high - low, 1)
    if high - low < 1:
        return None, f"No stretching: the levels {low:.4g} to {high:.4g} are too close to each other."
    if gain < _LEAST_GAIN:
        return None, f"No stretching: the levels {low:.4g} to {high:.4g} fill the range already."
    noise = " So much gain shows noise as well: look at the pictures." if gain > _NOISY_GAIN else ""
    return knots, f"Stretch {low:.4g} to {high:.4g} over the range, {gain:.1f} times the contrast: {why}.{noise}"


def choose_gamma(frames: np.ndarray, background: Background | None, knots: Knots | None) -> tuple[float | None, str]:
    """The exponent that brings the median of the stretched levels to mid-grey, within 0.3…3, and why."""
    low, high = knots or (0.0, 255.0)
    stretched = np.clip((frames - low) / (high - low), 0, 1)
    has_object = background is not None and cuts_off(frames, background)
    masks = ~background.holds(frames) if background and has_object else np.ones(frames.shape, bool)
    medians = [float(np.median(frame[mask])) for frame, mask in zip(stretched, masks, strict=True) if mask.any()]
    darkest, brightest = np.quantile(medians, [0.05, 0.95])
    if brightest - darkest > _UNEVEN:
        spread = f"median levels of single images range from {255 * darkest:.0f} to {255 * brightest:.0f}"
        hint = "if that is exposure and not the product, the step midway_equalization evens it out"
        return None, f"No gamma correction: {spread}, so none suits all; {hint}."
    median = float(np.clip(np.median(stretched[masks]), 0.01, 0.99))
    exponent = round(float(np.clip(np.log(0.5) / np.log(median), 0.3, 3)), 2)
    where = f"the median level of the {'object' if has_object else 'images'} comes out at {255 * median:.0f} of 255"
    if abs(exponent - 1) < 0.1:
        return None, f"No gamma correction: {where}, near mid-grey already."
    return exponent, f"Gamma {exponent:g} {'brightens' if exponent < 1 else 'darkens'}: {where} and moves to mid-grey."


def choose_crop(frames: np.ndarray, background: Background | None, image_px: float) -> tuple[int | None, str]:
    """The area in px from which a part belongs to the object, if a crop works on every image and is worth it, and why.

    `image_px` is the area of an image before it was reduced to its frame.
    """
    if background is None:
        return None, "No crop, as there is no background."
    least = _PIECE * float(np.median((~background.holds(frames)).mean(axis=(1, 2))))  # share of the image
    step = Crop(object_is=background.object_is, min_area_px=max(1, round(least * frames[0].size)))
    try:
        share = float(np.median([step.apply(frame / 255).size / frame.size for frame in frames]))
    except UnreadableImageError as error:
        return None, f"No crop, as it fails on some images: {error.reason}."
    if share > _LARGEST_BOX:
        return None, f"No crop: the box around the object has {percent(share)} of the image already."
    area_px = max(1, round(least * image_px))
    kept = f"pieces from {area_px} px on stay in view, should it be broken"
    return area_px, f"Crop to the object: its box has {percent(share)} of the image, so that it is seen larger; {kept}."


def tails(levels: np.ndarray) -> Knots:
    """Where all but a thousandth of the levels at each end lie."""
    low, high = np.quantile(levels, [_TAIL, 1 - _TAIL])
    return _rounded(low, down=True), _rounded(high, down=False)


def _cut(frames: np.ndarray, background: Background) -> float:
    """The level that turns all but one in a hundred pixels of the background uniform."""
    levels = border(frames)
    is_bright = background.tone == "bright"
    return _rounded(np.quantile(levels[background.holds(levels)], 0.01 if is_bright else 0.99), down=is_bright)


def _rounded(level: float, *, down: bool) -> float:
    """To a tenth of a level, outwards; what float arithmetic adds is no reason to go further."""
    tenths = np.floor(10 * float(level) + 1e-3) if down else np.ceil(10 * float(level) - 1e-3)
    return round(float(np.clip(tenths, 0, 2550)) / 10, 1)

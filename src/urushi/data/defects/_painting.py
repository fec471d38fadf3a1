"""Puts a defect on an image; holds no randomness of its own."""

import cv2
import numpy as np

from urushi.data.defects._defect import MINIMUM_CHANGE, Defect, check_shape
from urushi.errors import InputError

_EDGE = 0.25  # coverage from which a pixel belongs to the defect; what lies below is not painted


def apply(
    image: np.ndarray, defect: Defect, *, full_scale: float | None = None, opacity: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Put a defect on an image; returns the new image, of the same shape and type, and the mask, (H, W) bool.

    `opacity`, in (0, 1], is its strength: the defective image laid over the clean one, which shines through below 1.
    Outside the mask, which is the same at every strength, the image is as before; inside, each pixel differs by at
    least opacity × MINIMUM_CHANGE in some channel, and where levels are whole numbers by at least one of them: what is
    not whole is rounded away from the clean level.
    Takes uint8, uint16 and float32, (H, W) or (H, W, 3), from 0 to `full_scale`: the type's maximum, 1 for float, or
    what is given (4095 for 12 bits). Raises InputError for any other image or opacity.
    """
    full = _checked_full_scale(image, full_scale)
    _check_opacity(opacity)
    coverage = _rasterise(defect, image.shape[0], image.shape[1])
    mask = coverage >= _EDGE
    clean = image.reshape(*mask.shape, -1).astype(np.float64) / full  # (H, W, C) in [0, 1]
    painted = clean + coverage[..., None] * (_paint(clean, coverage, mask, defect) - clean)
    visible = opacity * _pushed(clean, np.clip(painted, 0, 1), defect.contrast) + (1 - opacity) * clean
    values = visible * full if image.dtype.kind == "f" else _rounded_away(clean, visible, full)
    result = np.where(mask[..., None], values.astype(image.dtype), image.reshape(clean.shape))
    return result.reshape(image.shape), mask


def footprint(defect: Defect, height: int, width: int) -> np.ndarray:
    """The mask (height, width) bool that `apply` gives with a defect."""
    return _rasterise(defect, height, width) >= _EDGE


def _check_opacity(opacity: float) -> None:
    if not 0 < opacity <= 1:  # written so that NaN fails as well
        raise InputError(f"the opacity of a defect is above 0 and at most 1; got {opacity}.")


def _checked_full_scale(image: np.ndarray, full_scale: float | None) -> float:
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"defects go on uint8, uint16 or float32 images; got {image.dtype}.")
    check_shape(image.shape)
    natural = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
    full = natural if full_scale is None else full_scale
    if not (image.min() >= 0 and image.max() <= full):  # written so that NaN fails as well
        raise InputError(f"the image spans {image.min()} to {image.max()}; allowed is 0 to {full}: give full_scale.")
    return full


def _rasterise(defect: Defect, height: int, width: int) -> np.ndarray:
    """How much of each pixel the defect covers: (H, W) in [0, 1] with a maximum of 1."""
    side = min(height, width)
    fine = max(1, 1024 // side)  # drawn larger and averaged down, since OpenCV's line widths are whole pixels
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for shape in defect.shapes:
        points = np.round(np.array(shape.points) * (width * fine, height * fine)).astype(np.int32)
        if shape.width:
            cv2.polylines(canvas, [points], False, 255, max(fine, round(shape.width * side * fine)))
        else:
            cv2.fillPoly(canvas, [points], 255)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.3, defect.softness * side))
    return np.asarray(soft / soft.max())


def _paint(clean: np.ndarray, coverage: np.ndarray, mask: np.ndarray, defect: Defect) -> np.ndarray:
    """What the image would be if the defect covered all of it, (H, W, C)."""
    n_channels = clean.shape[2]
    base = clean[mask].mean(axis=0)  # (C,)
    shift = defect.contrast * (np.array(defect.tint) if n_channels == 3 else np.ones(n_channels))
    left = np.abs(np.clip(base + shift, 0, 1) - base).mean()  # of the contrast, after clipping
    shift = shift if left >= 0.5 * np.abs(shift).mean() else -shift
    if defect.source is not None:
        return _elsewhere(clean, defect) + shift
    opaque = base + shift + (_grain(defect, mask.shape) + _relief(coverage, defect.relief))[..., None]
    return np.asarray(defect.opacity * opaque + (1 - defect.opacity) * (clean + shift))


def _elsewhere(clean: np.ndarray, defect: Defect) -> np.ndarray:
    height, width, _ = clean.shape
    x, y = defect.source or (0.0, 0.0)
    warp = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), defect.angle_degrees, 1.0)
    warp[:, 2] += (x * width, y * height)
    moved = cv2.warpAffine(clean, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved).reshape(clean.shape)


def _grain(defect: Defect, shape: tuple[int, ...]) -> np.ndarray:
    if not defect.grain:
        return np.zeros(shape)
    noise = np.random.default_rng(defect.seed).standard_normal(shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 0.8)  # single-pixel noise would give the defect away
    return np.asarray(defect.grain * smooth / smooth.std())


def _relief(coverage: np.ndarray, strength: float) -> np.ndarray:
    if not strength:
        return np.zeros_like(coverage)
    round_edge = cv2.GaussianBlur(coverage, (0, 0), max(1.0, 0.15 * np.sqrt(coverage.sum())))
    slope = cv2.Sobel(round_edge, cv2.CV_64F, 1, 0) + cv2.Sobel(round_edge, cv2.CV_64F, 0, 1)
    return np.asarray(strength * slope / max(np.abs(slope).max(), 1e-12))


def _pushed(clean: np.ndarray, painted: np.ndarray, direction: float) -> np.ndarray:
    """Pixels that happen to look as before, moved to the smallest visible change."""
    step = np.copysign(MINIMUM_CHANGE, direction)
    stepped = np.where((clean + step < 0) | (clean + step > 1), clean - step, clean + step)
    is_hidden = np.abs(painted - clean).max(axis=2, keepdims=True) < MINIMUM_CHANGE
    return np.where(is_hidden, stepped, painted)


def _rounded_away(clean: np.ndarray, changed: np.ndarray, full: float) -> np.ndarray:
    before, after = np.round(clean * full), changed * full  # rounding towards `before` would lose visibility
    return np.where(after > before, np.ceil(np.round(after, 6)), np.floor(np.round(after, 6)))

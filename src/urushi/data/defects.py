"""Synthetic defects with exact masks, for demos, tests and sanity checks without real defects (METHODS §2).

Drawing and applying are apart: `draw` makes a `Defect`, plain numbers that can be printed, kept and applied again to
any image; `apply` holds no randomness of its own. Figures measured on synthetic defects are never those of real ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from urushi.errors import InputError

Point = tuple[float, float]

MINIMUM_CHANGE = 0.02  # share of the full scale by which each masked pixel differs at least: about 5 of 255 grey levels
MINIMUM_SIDE_PX = 16
_EDGE = 0.25  # coverage from which a pixel belongs to the defect; what lies below is not painted


@dataclass(frozen=True)
class Shape:
    """A polyline of some width, or a filled outline where `width` is 0; the drawing units are those of `Defect`."""

    points: tuple[Point, ...]
    width: float = 0.0


@dataclass(frozen=True)
class Defect:
    """One defect; (x, y) in shares of image width and height, lengths of the shorter side, tones of full scale."""

    kind: str
    shapes: tuple[Shape, ...]
    contrast: float  # signed difference from the surroundings; turned round where less than half of it fits
    opacity: float  # 1 hides what is below, 0 only brightens or darkens it
    softness: float  # standard deviation of the blurred edge
    relief: float = 0.0  # light from the upper left: positive stands out, negative is sunk in
    grain: float = 0.0  # standard deviation of the texture of what hides the surface
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # share of the contrast per colour channel; grey ignores it
    source: Point | None = None  # cut and paste: how far away the pasted piece comes from
    angle_degrees: float = 0.0  # cut and paste: by how much the piece is turned
    seed: int = 0  # of the grain


def draw(rng: np.random.Generator, shape: tuple[int, ...], *, kinds: Sequence[str] | None = None) -> Defect:
    """Draw a defect for images of a shape, (H, W) or (H, W, 3), its kind evenly from `kinds` (default: all of KINDS).

    Raises InputError for an unknown kind, and for images with a side below MINIMUM_SIDE_PX.
    """
    _check_shape(shape)
    chosen = KINDS if kinds is None else tuple(kinds)
    if not chosen or not set(chosen) <= set(KINDS):
        raise InputError(f"kinds of defects are {', '.join(KINDS)}; got {list(chosen)}.")
    pen = _Pen(rng, shape[0], shape[1])
    return _DRAW[chosen[int(rng.integers(len(chosen)))]](pen)


def apply(image: np.ndarray, defect: Defect, *, full_scale: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Put a defect on an image; returns the new image, of the same shape and type, and the mask, (H, W) bool.

    Outside the mask the image is as before; inside, each pixel differs by at least MINIMUM_CHANGE in some channel.
    Takes uint8, uint16 and float32, (H, W) or (H, W, 3), from 0 to `full_scale`: the type's maximum, 1 for float, or
    what is given (4095 for 12 bits). Raises InputError for any other image.
    """
    full = _checked_full_scale(image, full_scale)
    coverage = _rasterise(defect, image.shape[0], image.shape[1])
    mask = coverage >= _EDGE
    clean = image.reshape(*mask.shape, -1).astype(np.float64) / full  # (H, W, C) in [0, 1]
    painted = clean + coverage[..., None] * (_paint(clean, coverage, mask, defect) - clean)
    visible = _pushed(clean, np.clip(painted, 0, 1), defect.contrast)
    values = visible * full if image.dtype.kind == "f" else _rounded_away(clean, visible, full)
    result = np.where(mask[..., None], values.astype(image.dtype), image.reshape(clean.shape))
    return result.reshape(image.shape), mask


def _checked_full_scale(image: np.ndarray, full_scale: float | None) -> float:
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"defects go on uint8, uint16 or float32 images; got {image.dtype}.")
    _check_shape(image.shape)
    natural = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
    full = natural if full_scale is None else full_scale
    if not (image.min() >= 0 and image.max() <= full):  # written so that NaN fails as well
        raise InputError(f"the image spans {image.min()} to {image.max()}; allowed is 0 to {full}: give full_scale.")
    return full


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or min(shape[:2]) < MINIMUM_SIDE_PX:
        raise InputError(f"defects go on (H, W) or (H, W, 3) from {MINIMUM_SIDE_PX} px on; got shape {tuple(shape)}.")


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


@dataclass(frozen=True)
class _Pen:
    """Draws numbers, and puts shapes that are given in units of the shorter side into shares of width and height."""

    rng: np.random.Generator
    height: int
    width: int

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def signed(self, low: float, high: float) -> float:
        return self.between(low, high) * (1 if self.rng.random() < 0.5 else -1)

    def centre(self, margin: float) -> np.ndarray:
        return np.asarray(self.rng.uniform(margin, 1 - margin, 2) / self.unit)

    @property
    def unit(self) -> np.ndarray:  # (2,): one shorter side as share of width and height
        return min(self.height, self.width) / np.array([self.width, self.height])

    def shape(self, points: np.ndarray, width: float = 0.0) -> Shape:
        return Shape(tuple((float(x), float(y)) for x, y in points * self.unit), width)

    def outline(self, radius: float, *, roughness: float, aspect: float = 1.0, margin: float = 0.18) -> Shape:
        """A closed, irregular outline: a turned ellipse with a few random harmonics."""
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        waves = [self.rng.normal(0, roughness / n) * np.cos(n * angles + self.between(0, 6.3)) for n in range(2, 9)]
        radii = radius * np.clip(1 + np.sum(waves, axis=0), 0.4, 1.8)
        ellipse = np.stack([np.cos(angles), aspect * np.sin(angles)], axis=1) * radii[:, None]
        return self.shape(self.centre(margin) + ellipse @ _turn(self.between(0, np.pi)))

    def walk(self, start: np.ndarray, heading: float, length: float, wobble: float) -> np.ndarray:
        """A path of unsteady direction, (n, 2)."""
        turns = self.rng.normal(0, wobble, max(4, round(length / 0.02)))
        headings = heading + np.array(list(accumulate(turns, lambda bend, turn: 0.85 * bend + turn)))  # no curling up
        steps = 0.02 * np.stack([np.cos(headings), np.sin(headings)], axis=1)
        return np.vstack([start, start + np.cumsum(steps, axis=0)])

    def tint(self) -> tuple[float, float, float]:
        red, green, blue = np.sort(self.rng.uniform(0.6, 1.0, 3))  # dirt and rust take away most of the blue
        return (float(red), float(green), float(blue))

    def seed(self) -> int:
        return int(self.rng.integers(2**31))


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _scratch(pen: _Pen) -> Defect:
    path = pen.walk(pen.centre(0.2), pen.between(0, 6.3), pen.between(0.25, 0.6), wobble=0.05)
    shape = pen.shape(path, pen.between(0.008, 0.016))
    return Defect("scratch", (shape,), pen.signed(0.2, 0.4), 0.85, 0.003, grain=0.03, seed=pen.seed())


def _blob(pen: _Pen) -> Defect:
    shape = pen.outline(pen.between(0.04, 0.09), roughness=0.12, aspect=pen.between(0.5, 1))
    contrast, relief = pen.signed(0.2, 0.4), pen.between(0.08, 0.15)
    return Defect("blob", (shape,), contrast, 1.0, 0.005, relief, grain=0.03, tint=pen.tint(), seed=pen.seed())


def _stain(pen: _Pen) -> Defect:
    shape = pen.outline(pen.between(0.1, 0.2), roughness=0.25, aspect=pen.between(0.5, 1), margin=0.25)
    return Defect("stain", (shape,), pen.signed(0.12, 0.2), 0.1, 0.025, tint=pen.tint(), seed=pen.seed())


def _crack(pen: _Pen) -> Defect:
    width, heading = pen.between(0.012, 0.02), pen.between(0, 6.3)
    trunk = pen.walk(pen.centre(0.25), heading, pen.between(0.35, 0.7), wobble=0.45)
    shapes = _tapered(pen, trunk, width)
    for at in pen.rng.integers(len(trunk) // 4, len(trunk), int(pen.rng.integers(1, 4))):
        branch = pen.walk(trunk[at], heading + pen.signed(0.5, 1.1), pen.between(0.08, 0.25), wobble=0.4)
        shapes += _tapered(pen, branch, 0.6 * width)
    return Defect("crack", tuple(shapes), -pen.between(0.25, 0.45), 0.8, 0.003, grain=0.03, seed=pen.seed())


def _tapered(pen: _Pen, path: np.ndarray, width: float) -> list[Shape]:
    widths = width * np.linspace(1, 0.4, len(path) - 1)
    return [pen.shape(path[i : i + 2], float(w)) for i, w in enumerate(widths)]


def _hole(pen: _Pen) -> Defect:
    shape = pen.outline(pen.between(0.05, 0.11), roughness=0.2, aspect=pen.between(0.6, 1))
    contrast, relief = -pen.between(0.25, 0.45), -pen.between(0.06, 0.12)
    return Defect("hole", (shape,), contrast, 0.9, 0.004, relief, grain=0.03, seed=pen.seed())


def _paste(pen: _Pen) -> Defect:
    shape = pen.outline(pen.between(0.1, 0.16), roughness=0.2, aspect=pen.between(0.6, 1), margin=0.22)
    source = (pen.signed(0.2, 0.5), pen.signed(0.2, 0.5))
    angle = pen.between(40, 140)
    return Defect("paste", (shape,), pen.signed(0.04, 0.08), 1.0, 0.005, source=source, angle_degrees=angle)


_DRAW: dict[str, Callable[[_Pen], Defect]] = {
    "scratch": _scratch,
    "blob": _blob,
    "stain": _stain,
    "crack": _crack,
    "hole": _hole,
    "paste": _paste,
}
KINDS = tuple(_DRAW)

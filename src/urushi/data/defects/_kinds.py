"""Draws defects, kind by kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from urushi.data.defects._defect import Defect, Shape, check_shape
from urushi.errors import InputError


def draw(rng: np.random.Generator, shape: tuple[int, ...], *, kinds: Sequence[str] | None = None) -> Defect:
    """Draw a defect for images of a shape, (H, W) or (H, W, 3), its kind evenly from `kinds` (default: all of KINDS).

    Raises InputError for an unknown kind, and for images with a side below MINIMUM_SIDE_PX.
    """
    check_shape(shape)
    chosen = KINDS if kinds is None else tuple(kinds)
    if not chosen or not set(chosen) <= set(KINDS):
        raise InputError(f"kinds of defects are {', '.join(KINDS)}; got {list(chosen)}.")
    pen = _Pen(rng, shape[0], shape[1])
    return _DRAW[chosen[int(rng.integers(len(chosen)))]](pen)


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


def _wire(pen: _Pen) -> Defect:
    path = pen.walk(pen.centre(0.2), pen.between(0, 6.3), pen.between(0.2, 0.5), wobble=0.2)
    shape = pen.shape(path, pen.between(0.008, 0.02))
    return Defect("wire", (shape,), -pen.between(0.3, 0.6), 1.0, 0.003, pen.between(0.03, 0.06), seed=pen.seed())


def _block(pen: _Pen) -> Defect:
    """A rectangle without any picture, as a lost block of a transmission or a covered part leaves it."""
    side = np.array([pen.between(0.1, 0.25), pen.between(0.1, 0.25)])
    corners = pen.centre(0.2) + side * np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return Defect("block", (pen.shape(corners),), -pen.between(0.4, 0.9), 1.0, 0.0005, seed=pen.seed())


_DRAW: dict[str, Callable[[_Pen], Defect]] = {
    "scratch": _scratch,
    "blob": _blob,
    "stain": _stain,
    "crack": _crack,
    "hole": _hole,
    "paste": _paste,
    "wire": _wire,
    "block": _block,
}
KINDS = tuple(_DRAW)

"""Shapes of defects, each as the stretches of the beam that lie in it, computed exactly and not traced.

All lengths in mm. `spans` gives, for rays at (x, y), the bottoms and tops (z) of n stretches, (n, H, W) each; a stretch
with top <= bottom is empty, and stretches may overlap.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np

from urushi.xray.phantoms.grid import Box, turned

Point = tuple[float, float, float]  # x, y, z in mm
Spans = tuple[np.ndarray, np.ndarray]

THROUGH_MM = 1e4  # half the height of what goes through everything
_PARALLEL = 1e-12  # rays along a rod's axis: keeps the division finite, the ends cut the stretch


@dataclass(frozen=True)
class Ball:
    """A ball."""

    centre_mm: Point
    diameter_mm: float
    shape: Literal["ball"] = "ball"

    def spans(self, x_mm: np.ndarray, y_mm: np.ndarray) -> Spans:
        x, y, z = self.centre_mm
        half = np.sqrt(np.clip((self.diameter_mm / 2) ** 2 - (x_mm - x) ** 2 - (y_mm - y) ** 2, 0, None))[None]
        return z - half, z + half

    def box_mm(self) -> Box:
        return _box(np.array([self.centre_mm]), self.diameter_mm / 2)


@dataclass(frozen=True)
class Rod:
    """A round rod along a polyline, with flat ends and rounded bends: needle, wire, pin, and as a short one a disc."""

    points_mm: tuple[Point, ...]
    diameter_mm: float
    shape: Literal["rod"] = "rod"

    def spans(self, x_mm: np.ndarray, y_mm: np.ndarray) -> Spans:
        pieces = [_cylinder(x_mm, y_mm, *ends, self.diameter_mm / 2) for ends in pairwise(self.points_mm)]
        bends = [Ball(point, self.diameter_mm).spans(x_mm, y_mm) for point in self.points_mm[1:-1]]
        bottoms, tops = zip(*pieces, *bends, strict=True)
        return np.concatenate(bottoms), np.concatenate(tops)

    def box_mm(self) -> Box:
        return _box(np.array(self.points_mm), self.diameter_mm / 2)


@dataclass(frozen=True)
class Cavity:
    """A flat star-shaped hollow, thickest in the middle; its outline is radius·(1 + Σ aₖ cos(kθ + φₖ)), k from 1."""

    centre_mm: Point
    radius_mm: float
    height_mm: float
    angle_degrees: float
    elongation: float  # along the axis at the angle
    harmonics: tuple[tuple[float, float], ...]  # (aₖ, φₖ in radians)
    shape: Literal["cavity"] = "cavity"

    def spans(self, x_mm: np.ndarray, y_mm: np.ndarray) -> Spans:
        x, y, z = self.centre_mm
        along, across = turned(x_mm - x, y_mm - y, self.angle_degrees)
        outline = self.radius_mm * np.clip(wavy(np.arctan2(across, along / self.elongation), self.harmonics), 0.1, None)
        inside = np.clip(1 - (np.hypot(along / self.elongation, across) / outline) ** 2, 0, None)
        half = (self.height_mm / 2 * inside**0.8)[None]  # between a lens (1) and an ellipsoid (0.5)
        return z - half, z + half

    def box_mm(self) -> Box:
        reach = self.radius_mm * max(1.0, self.elongation) * (1 + sum(abs(a) for a, _ in self.harmonics))
        return _box(np.array([self.centre_mm]), reach)


@dataclass(frozen=True)
class Gap:
    """A cut through everything, of an outline: what a crack leaves open."""

    outline_mm: tuple[tuple[float, float], ...]
    shape: Literal["gap"] = "gap"

    def spans(self, x_mm: np.ndarray, y_mm: np.ndarray) -> Spans:
        origin = np.array([x_mm.flat[0], y_mm.flat[0]])
        pitch = np.array([_step(x_mm), _step(y_mm)])
        corners = (np.array(self.outline_mm) - origin) / pitch
        inside = np.zeros(np.broadcast_shapes(x_mm.shape, y_mm.shape), np.uint8)
        cv2.fillPoly(inside, [np.round(corners * 256).astype(np.int32)], 1, shift=8)
        half = THROUGH_MM * inside[None].astype(float)
        return -half, half

    def box_mm(self) -> Box:
        return _box(np.array(self.outline_mm), 0.0)


Shape = Ball | Rod | Cavity | Gap


def length(spans: Spans) -> np.ndarray:
    """(H, W) mm: how much of each ray lies in at least one of n stretches."""
    order = np.argsort(spans[0], axis=0)
    bottoms, tops = (np.take_along_axis(ends, order, axis=0) for ends in spans)
    reached = np.maximum.accumulate(tops, axis=0)
    begins = np.concatenate([bottoms[:1], np.maximum(bottoms[1:], reached[:-1])])
    return np.asarray(np.clip(tops - begins, 0, None).sum(axis=0))


def clipped(spans: Spans, bottom_mm: np.ndarray, top_mm: np.ndarray) -> Spans:
    """The stretches as far as they lie between two surfaces."""
    return np.maximum(spans[0], bottom_mm), np.minimum(spans[1], top_mm)


def wavy(angle: np.ndarray, harmonics: tuple[tuple[float, float], ...]) -> np.ndarray:
    """1 + Σ aₖ cos(kθ + φₖ): a rounded outline of mean radius 1."""
    waves = [a * np.cos(k * angle + phase) for k, (a, phase) in enumerate(harmonics, start=1)]
    return np.asarray(1 + sum(waves, np.zeros_like(angle)))


def _cylinder(x_mm: np.ndarray, y_mm: np.ndarray, start: Point, end: Point, radius_mm: float) -> Spans:
    axis = np.subtract(end, start)
    half_length = float(np.linalg.norm(axis)) / 2
    ax, ay, az = axis / (2 * half_length)
    cx, cy, cz = np.add(start, end) / 2
    x, y = x_mm - cx, y_mm - cy
    u = x * ax + y * ay  # the ray's point (x, y, z) lies at u + az·z along the axis
    steep = max(1 - az**2, _PARALLEL)  # distance² from the axis: steep·z² - 2·az·u·z + x² + y² - u²
    root = (az * u) ** 2 - steep * (x**2 + y**2 - u**2 - radius_mm**2)
    half = np.sqrt(np.clip(root, 0, None)) / steep
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.sort([(-half_length - u) / az, (half_length - u) / az], axis=0) if az else _uncut(u, half_length)
    bottom, top = np.maximum(az * u / steep - half, ends[0]), np.minimum(az * u / steep + half, ends[1])
    is_hit = (root > 0) & (top > bottom)
    return cz + np.where(is_hit, bottom, 0)[None], cz + np.where(is_hit, top, 0)[None]


def _uncut(u: np.ndarray, half_length: float) -> np.ndarray:
    reach = np.where(np.abs(u) <= half_length, np.inf, -np.inf)
    return np.stack([-reach, reach])


def _box(points: np.ndarray, margin_mm: float) -> Box:
    (left, top), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return float(left - margin_mm), float(top - margin_mm), float(right + margin_mm), float(bottom + margin_mm)


def _step(line_mm: np.ndarray) -> float:
    return float(line_mm.flat[1] - line_mm.flat[0]) if line_mm.size > 1 else 1.0

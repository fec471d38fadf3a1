"""A potato on the belt of a line scanner, with a needle or a hollow heart (S2 §1.3.4, §5.2, table 5.1)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from urushi.xray.phantoms.detector import Detector
from urushi.xray.phantoms.grid import Box, Grid, texture, turned
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.scanner import Scanner
from urushi.xray.phantoms.scene import Defect, Layer, film
from urushi.xray.phantoms.shapes import Cavity, Point, Rod, wavy
from urushi.xray.tube import Exposure, Tube

REACH_MM = 80.0  # beyond every potato
NEEDLE_LENGTH_MM, NEEDLE_DIAMETER_MM = 20.0, 1.0
_SKIN_MM = 0.4


@dataclass(frozen=True)
class Potato(Product):
    """A rounded, slightly irregular ellipsoid; its image is longer than it is, because belt and camera do not match."""

    # 80 kV, 100 W and 1000 lines a second are the source's (§1.3.4, §5.2.1); the distance is assumed.
    scanner: ClassVar = Scanner(
        voltage_kv=80.0,
        tube=Tube(),
        exposure=Exposure(time_ms=1.0, distance_mm=560.0, max_power_w=100.0),
        detector=Detector(
            n_columns=410,
            pitch_mm=0.8,
            is_line=True,
            unsharpness_mm=0.4,
            dark_noise_photons=24.0,
            open_level=165 / 255,
            dark_level=8 / 255,
            shading=0.12,
            column_spread=0.006,
            drift=0.012,
        ),
    )
    max_angle_degrees: ClassVar[float] = 180.0
    defects: ClassVar = ("needle", "hollow_heart")

    half_axes_mm: Point
    angle_degrees: float
    x_mm: float
    y_mm: float
    outline: tuple[tuple[float, float], ...]
    roundness: float  # exponent of the superellipsoid: 2 is an ellipsoid, more is boxier
    density_spread: float
    texture_seed: int
    stretch: float  # image lines per pixel width of travel
    length_mm: float  # of belt in the image

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        half_length = rng.uniform(30, 45)
        half_width = rng.uniform(22.5, min(32, 0.9 * half_length))
        amplitudes = (0.02, 0.035, 0.03, 0.015, 0.01)
        return cls(
            half_axes_mm=(half_length, half_width, half_width * rng.uniform(0.72, 0.85)),
            angle_degrees=0.0,
            x_mm=0.0,
            y_mm=0.0,
            outline=tuple((a * rng.uniform(0.3, 1), rng.uniform(0, 2 * np.pi)) for a in amplitudes),
            roundness=rng.uniform(2.0, 2.4),
            density_spread=rng.uniform(0.004, 0.012),
            texture_seed=int(rng.integers(2**32)),
            stretch=1.0,
            length_mm=2 * half_length,
        )

    def laid(self, rng: np.random.Generator, max_angle_degrees: float) -> Self:
        """Turned in its plane only; the belt's speed is another one each time."""
        return replace(
            self,
            angle_degrees=rng.uniform(-max_angle_degrees, max_angle_degrees),
            x_mm=rng.uniform(-60, 60),
            y_mm=rng.uniform(-8, 8),
            stretch=rng.uniform(1.3, 2.2),
            length_mm=2 * self.half_axes_mm[0] + rng.uniform(40, 90),
        )

    def grid(self) -> Grid:
        detector = self.scanner.detector
        pitch_y_mm = detector.pitch_mm / self.stretch
        return Grid(round(self.length_mm / pitch_y_mm), detector.n_columns, pitch_y_mm, detector.pitch_mm)

    def box_mm(self) -> Box:
        reach = 1.1 * self.half_axes_mm[0]
        return self.x_mm - reach, self.y_mm - reach, self.x_mm + reach, self.y_mm + reach

    def layers(self, grid: Grid) -> list[Layer]:
        x, y = turned(grid.x_mm - self.x_mm, grid.y_mm - self.y_mm, self.angle_degrees)
        flesh, whole = self._half_height_mm(x, y, _SKIN_MM), self._half_height_mm(x, y, 0.0)
        bumps = 0.5 * self._texture(x, y, grain_mm=14, n=1) + 0.15 * self._texture(x, y, grain_mm=4, n=2)
        dense = self.density_spread * (self._texture(x, y, grain_mm=9, n=3) + self._texture(x, y, grain_mm=3, n=4))
        top = np.where(flesh > 0, np.clip(flesh + bumps, 0, None), 0)
        return [Layer("potato", -flesh, top, 1 + dense), film("starch", 0.6 * (whole - flesh))]

    def draw_defect(self, kind: str, rng: np.random.Generator) -> Defect:
        return {"needle": self._needle, "hollow_heart": self._hollow_heart}[kind](rng)

    def is_inside(self, point: Point) -> bool:
        """Whether a point in mm lies in the potato, at least 5 % of its size below the skin."""
        x, y = turned(np.array(point[0] - self.x_mm), np.array(point[1] - self.y_mm), self.angle_degrees)
        return self._holds((float(x), float(y), point[2]))

    def _holds(self, own: Point) -> bool:
        x, y, z = own
        return bool(abs(z) < self._half_height_mm(np.array(x / 0.95), np.array(y / 0.95), _SKIN_MM) - 1)

    def _placed(self, own: Point) -> Point:
        """A point of the potato (along, across, up, from its middle) where the potato lies."""
        x, y = turned(np.array(own[0]), np.array(own[1]), -self.angle_degrees)
        return self.x_mm + float(x), self.y_mm + float(y), own[2]

    def _half_height_mm(self, x: np.ndarray, y: np.ndarray, depth_mm: float) -> np.ndarray:
        a, b, c = (half_mm - depth_mm for half_mm in self.half_axes_mm)
        radius = np.hypot(x / a, y / b) / wavy(np.arctan2(y / b, x / a), self.outline)
        return np.asarray(c * np.clip(1 - radius**self.roundness, 0, None) ** (1 / self.roundness))

    def _texture(self, x: np.ndarray, y: np.ndarray, *, grain_mm: float, n: int) -> np.ndarray:
        return texture(x, y, seed=(self.texture_seed + n), grain_mm=grain_mm, reach_mm=REACH_MM)

    def _needle(self, rng: np.random.Generator) -> Defect:
        ends = self._ends(rng)
        while not all(map(self._holds, ends)):
            ends = self._ends(rng)
        sizes = {"length": NEEDLE_LENGTH_MM, "diameter": NEEDLE_DIAMETER_MM}
        start, end = map(self._placed, ends)
        return Defect("needle", "iron", sizes, (Rod((start, end), NEEDLE_DIAMETER_MM),))

    def _ends(self, rng: np.random.Generator) -> tuple[Point, Point]:
        axis = rng.standard_normal(3)
        half = NEEDLE_LENGTH_MM / 2 * axis / np.linalg.norm(axis)
        centre = rng.uniform(-0.8, 0.8, 3) * np.array(self.half_axes_mm)
        start, end = (centre - half).tolist(), (centre + half).tolist()
        return (start[0], start[1], start[2]), (end[0], end[1], end[2])

    def _hollow_heart(self, rng: np.random.Generator) -> Defect:
        long, wide, high = self.half_axes_mm
        n_arms, radius = int(rng.integers(3, 7)), rng.uniform(3.5, 0.36 * wide)
        sizes = 0.12 * rng.uniform(-1, 1, 3 * n_arms)
        sizes[n_arms - 1] = rng.uniform(0.25, 0.5)  # the arms; the other waves make them unequal and ragged
        waves = zip(sizes.tolist(), rng.uniform(0, 2 * np.pi, len(sizes)).tolist(), strict=True)
        along, up = rng.uniform(-0.15, 0.15) * long, rng.uniform(-0.1, 0.1) * high
        cavity = Cavity(
            centre_mm=self._placed((along, 0.0, up)),
            radius_mm=radius,
            height_mm=min(rng.uniform(1.0, 1.8) * radius, 1.2 * high),
            angle_degrees=self.angle_degrees + rng.uniform(-15, 15),
            elongation=rng.uniform(1.0, 1.6),
            harmonics=tuple(waves),
        )
        return Defect("hollow_heart", "air", {"radius": radius, "height": cavity.height_mm}, (cavity,))

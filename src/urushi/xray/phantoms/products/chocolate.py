"""A chocolate bar in its wrapper on an area detector, with foreign objects or a crack (S2 §1.3.3, §5.2, table 5.1)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from urushi.xray.phantoms.detector import Detector
from urushi.xray.phantoms.grid import Box, Grid, texture, turned
from urushi.xray.phantoms.products._chocolate_defects import DRAW, Spot
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.scanner import Scanner
from urushi.xray.phantoms.scene import Defect, Layer, film
from urushi.xray.tube import Exposure, Tube

REACH_MM = 70.0  # beyond every wrapper
_COAT_MM, _SIDE_MM = 1.2, 1.8  # chocolate below and above the biscuit, and between biscuits and at the sides
_SHEET_MM = 0.1  # of the wrapper, below and above: a thick one, so that it shows
_SEAL_MM = 8.0


@dataclass(frozen=True)
class Chocolate(Product):
    """Biscuits in milk chocolate, in segments, in a wrapper of polypropylene with a seal at both ends and a seam."""

    # 60 kV, 7.5 mA and the 525 W are the source's (§1.3.3, §5.2.1); time and distance are assumed.
    scanner: ClassVar = Scanner(
        voltage_kv=60.0,
        tube=Tube(),
        exposure=Exposure(time_ms=25.0, distance_mm=1000.0, current_ma=7.5, max_power_w=525.0),
        detector=Detector(
            n_columns=480,
            pitch_mm=0.25,
            unsharpness_mm=0.15,
            dark_noise_photons=30.0,
            open_level=248 / 255,
            dark_level=8 / 255,
            shading=0.012,
            column_spread=0.0015,
            dead_widths=(9, 7, 1, 1, 1),
        ),
    )
    max_angle_degrees: ClassVar[float] = 4.0
    defects: ClassVar = ("lead_ball", "steel_ball", "wire", "thumbtack", "staple", "crack")

    length_mm: float
    width_mm: float
    height_mm: float
    n_segments: int
    wrapper_mm: tuple[float, float]
    seam_mm: float  # off the middle line
    creases: tuple[tuple[float, float, float], ...]  # u, v in mm and angle in degrees
    angle_degrees: float
    x_mm: float
    y_mm: float
    texture_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        return cls(
            length_mm=rng.normal(92, 0.4),
            width_mm=rng.normal(32, 0.3),
            height_mm=rng.normal(8.6, 0.15),
            n_segments=5,
            wrapper_mm=(rng.normal(112, 0.5), rng.normal(40, 0.5)),
            seam_mm=rng.uniform(-6, 6),
            creases=tuple(
                (rng.choice((-1, 1)) * rng.uniform(46, 54), rng.uniform(-18, 18), rng.uniform(-180, 180))
                for _ in range(rng.integers(5, 10))
            ),
            angle_degrees=0.0,
            x_mm=0.0,
            y_mm=0.0,
            texture_seed=int(rng.integers(2**32)),
        )

    def laid(self, rng: np.random.Generator, max_angle_degrees: float) -> Self:
        angle = rng.uniform(-max_angle_degrees, max_angle_degrees)
        return replace(self, angle_degrees=angle, x_mm=rng.normal(0, 0.7), y_mm=rng.normal(0, 0.7))

    def grid(self) -> Grid:
        n, pitch_mm = self.scanner.detector.n_columns, self.scanner.detector.pitch_mm
        return Grid(n, n, pitch_mm, pitch_mm)

    def box_mm(self) -> Box:
        length, width = np.array(self.wrapper_mm) / 2 + 1
        corners = [self.placed(u, v) for u in (-length, length) for v in (-width, width)]
        (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
        return float(left), float(top), float(right), float(bottom)

    def layers(self, grid: Grid) -> list[Layer]:
        u, v = turned(grid.x_mm - self.x_mm, grid.y_mm - self.y_mm, self.angle_degrees)
        top = self._top_mm(u, v)
        biscuit = np.minimum(self._biscuit_mm(u, v), np.clip(top - 2 * _COAT_MM, 0, None))
        below = _COAT_MM + 0.15 * self._texture(u, v, grain_mm=5, n=1)
        return [
            Layer("milk_chocolate", np.zeros_like(top), np.minimum(below, top)),
            Layer("biscuit", below, below + biscuit, self._crumb(u, v)),
            Layer("milk_chocolate", below + biscuit, top),
            film("polypropylene", self._wrapper_mm(u, v)),
        ]

    def draw_defect(self, kind: str, rng: np.random.Generator) -> Defect:
        return DRAW[kind](self._spot(rng), rng)

    def placed(self, u_mm: float, v_mm: float) -> tuple[float, float]:
        """A point of the bar (along, across, from its middle) in the plane of the image."""
        x, y = turned(np.array(u_mm), np.array(v_mm), -self.angle_degrees)
        return self.x_mm + float(x), self.y_mm + float(y)

    def _spot(self, rng: np.random.Generator) -> Spot:
        """Anywhere from the underside to the top, not at the edge."""
        u, v = rng.uniform(-0.42, 0.42, 2) * (self.length_mm, self.width_mm)
        return Spot(self.placed, float(u), float(v), rng.uniform(0, self.height_mm), self.width_mm)

    def _texture(self, u: np.ndarray, v: np.ndarray, *, grain_mm: float, n: int) -> np.ndarray:
        return texture(u, v, seed=self.texture_seed + n, grain_mm=grain_mm, reach_mm=REACH_MM)

    def _top_mm(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        depth = _depth(u, v, self.length_mm, self.width_mm, 3.0) + 0.2 * self._texture(u, v, grain_mm=3, n=2)
        flank = np.sqrt(np.clip(1 - (1 - np.clip(depth / 3.5, 0, 1)) ** 2, 0, None))
        groove = 1.8 * np.exp(-((self._from_border_mm(u) / 1.3) ** 2))
        waves = 0.18 * np.sin(2 * np.pi * (u + 0.35 * v) / 5.5 + 0.6 * self._texture(u, v, grain_mm=12, n=3))
        lumps = 0.12 * self._texture(u, v, grain_mm=6, n=4)
        return np.asarray(np.where(depth > 0, flank * (self.height_mm - groove + waves + lumps), 0))

    def _biscuit_mm(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        segment_mm = self.length_mm / self.n_segments
        in_segment = segment_mm / 2 - self._from_border_mm(u)
        depth = _depth(in_segment, v, segment_mm - 2 * _SIDE_MM, self.width_mm - 2.5 * _SIDE_MM, 2.0)
        rough = depth + 0.25 * self._texture(u, v, grain_mm=1.5, n=5)
        return np.asarray((self.height_mm - 2.1 * _COAT_MM) * np.clip(rough / 1.2, 0, 1))

    def _from_border_mm(self, u: np.ndarray) -> np.ndarray:
        segment_mm = self.length_mm / self.n_segments
        place = (u + self.length_mm / 2) / segment_mm
        return np.asarray(np.abs(place - np.clip(np.round(place), 1, self.n_segments - 1)) * segment_mm)

    def _crumb(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        grain = sum(0.10 * self._texture(u, v, grain_mm=g, n=6 + k) for k, g in enumerate((0.7, 1.6, 4.0)))
        pores = 0.5 * np.clip(self._texture(u, v, grain_mm=1.8, n=9) - 0.8, 0, 1)
        segment_mm = self.length_mm / self.n_segments
        across = (
            v / 6.5 + 0.5
        ) % 1 * 6.5 - 3.25  # docking holes, as in a biscuit: three columns a segment, every 6.5 mm
        along = (u / (segment_mm / 3)) % 1 * segment_mm / 3 - segment_mm / 6
        holes = 0.35 * np.exp(-((across**2 + along**2) ** 2))
        return np.asarray(np.clip(1 + grain - pores - holes, 0.1, None))

    def _wrapper_mm(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        length, width = self.wrapper_mm
        from_end = length / 2 - np.abs(u) + 0.15 * np.sin(2 * np.pi * v / 1.6)  # cut in a zigzag
        seal = (from_end < _SEAL_MM) * (1 + 0.4 * np.sin(2 * np.pi * v / 1.3))  # crimped
        seam = 2.0 * (np.abs(v - self.seam_mm - 0.4 * np.sin(u / 15)) < 4.5)
        n_sheets = np.asarray(2 + seal + seam)
        is_loose = np.abs(u) > self.length_mm / 2 - 3
        n_sheets[is_loose] += sum(_crease(u[is_loose], v[is_loose], *crease) for crease in self.creases)
        return np.asarray(_SHEET_MM * n_sheets * (from_end > 0) * (np.abs(v) < width / 2))


def _depth(u: np.ndarray, v: np.ndarray, length_mm: float, width_mm: float, corner_mm: float) -> np.ndarray:
    """How far inside the edge of a rectangle with round corners a point lies, in mm; negative outside."""
    du, dv = np.abs(u) - (length_mm / 2 - corner_mm), np.abs(v) - (width_mm / 2 - corner_mm)
    outside = np.hypot(np.clip(du, 0, None), np.clip(dv, 0, None))
    return np.asarray(corner_mm - outside - np.clip(np.maximum(du, dv), None, 0))


def _crease(u: np.ndarray, v: np.ndarray, u_mm: float, v_mm: float, angle_degrees: float) -> np.ndarray:
    along, across = turned(u - u_mm, v - v_mm, angle_degrees)
    return np.asarray(3 * np.exp(-((across / 0.45) ** 2) - ((along / 9) ** 2) ** 2))  # ** 4 takes ten times as long

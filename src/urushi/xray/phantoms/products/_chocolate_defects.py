"""What S2 put on the chocolate bars (table 5.1), each at a random place in or on the bar and in a random direction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from urushi.xray.phantoms.scene import Defect
from urushi.xray.phantoms.shapes import Ball, Gap, Point, Rod

LEAD_BALL_MM, STEEL_BALLS_MM, WIRES_MM = 2.0, (1.5, 4.0), (0.4, 0.8)
PIN_LENGTH_MM, PIN_DIAMETER_MM, HEAD_DIAMETER_MM, HEAD_HEIGHT_MM = 5.0, 1.0, 9.0, 0.6  # the head is assumed
STAPLE_MM, STAPLE_DIAMETER_MM, STAPLE_LEG_MM = 7.0, 0.3, 4.0  # the legs are assumed


@dataclass(frozen=True)
class Spot:
    """A place in a bar: lengths along and across it and above its underside are turned into a Point."""

    placed: Callable[[float, float], tuple[float, float]]  # a place in the bar -> x, y in the plane of the image
    u_mm: float
    v_mm: float
    z_mm: float
    bar_width_mm: float

    def point(self, u_mm: float = 0.0, v_mm: float = 0.0, z_mm: float = 0.0) -> Point:
        """The point so far away from this place."""
        return (*self.placed(self.u_mm + u_mm, self.v_mm + v_mm), self.z_mm + z_mm)

    def points(self, offsets_mm: np.ndarray) -> tuple[Point, ...]:
        """The same for offsets (n, 3)."""
        return tuple(self.point(*map(float, offset)) for offset in offsets_mm)


def _lead_ball(spot: Spot, _: np.random.Generator) -> Defect:
    return Defect("lead_ball", "lead_alloy", {"diameter": LEAD_BALL_MM}, (Ball(spot.point(), LEAD_BALL_MM),))


def _steel_ball(spot: Spot, rng: np.random.Generator) -> Defect:
    diameter = float(rng.choice(STEEL_BALLS_MM))
    return Defect("steel_ball", "steel", {"diameter": diameter}, (Ball(spot.point(), diameter),))


def _wire(spot: Spot, rng: np.random.Generator) -> Defect:
    diameter, length = float(rng.choice(WIRES_MM)), rng.uniform(8, 20)
    n = 12
    bend = rng.uniform(-1.2, 1.2) + rng.uniform(-1.5, 1.5) * np.linspace(-1, 1, n)  # radians over the length
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(bend) / n
    steps = length / n * np.stack([np.cos(heading), np.sin(heading), np.full(n, rng.uniform(-0.1, 0.1))], axis=1)
    path = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
    wire = Rod(spot.points(path - path.mean(axis=0)), diameter)
    return Defect("wire", "steel", {"length": length, "diameter": diameter}, (wire,))


def _thumbtack(spot: Spot, rng: np.random.Generator) -> Defect:
    axis = _direction(rng)
    neck, top, tip = spot.points(np.outer((0, HEAD_HEIGHT_MM, -PIN_LENGTH_MM), axis))
    pin, head = Rod((tip, neck), PIN_DIAMETER_MM), Rod((neck, top), HEAD_DIAMETER_MM)
    sizes = {
        "pin_length": PIN_LENGTH_MM,
        "pin_diameter": PIN_DIAMETER_MM,
        "head_diameter": HEAD_DIAMETER_MM,
        "head_height": HEAD_HEIGHT_MM,
    }
    return Defect("thumbtack", "aluminium", sizes, (pin, head))


def _staple(spot: Spot, rng: np.random.Generator) -> Defect:
    crown = _direction(rng) * (1, 1, 0.2)
    crown *= STAPLE_MM / 2 / np.linalg.norm(crown)
    leg = np.cross(crown, _direction(rng))
    leg *= STAPLE_LEG_MM / np.linalg.norm(leg)
    path = spot.points(np.stack([leg - crown, -crown, crown, leg + crown]))
    sizes = {"length": STAPLE_MM, "leg_length": STAPLE_LEG_MM, "diameter": STAPLE_DIAMETER_MM}
    return Defect("staple", "staple", sizes, (Rod(path, STAPLE_DIAMETER_MM),))


def _crack(spot: Spot, rng: np.random.Generator) -> Defect:
    n, width = 24, rng.uniform(0.5, 2.5)
    v = np.linspace(-1, 1, n) * (spot.bar_width_mm / 2 + 1)
    middle = rng.uniform(-0.15, 0.15) * v + 0.35 * np.cumsum(rng.standard_normal(n)) * 0.7
    gap = width * np.clip(1 + 0.25 * rng.standard_normal(n), 0.3, None)
    left = np.stack([middle - gap / 2, v], axis=1)
    right = np.stack([middle + gap / 2, v], axis=1)[::-1]
    outline = tuple(spot.placed(spot.u_mm + float(a), float(b)) for a, b in np.vstack([left, right]))
    return Defect("crack", "air", {"width": float(gap.mean())}, (Gap(outline),))


def _direction(rng: np.random.Generator) -> np.ndarray:
    axis = rng.standard_normal(3)
    return np.asarray(axis / np.linalg.norm(axis))


DRAW: dict[str, Callable[[Spot, np.random.Generator], Defect]] = {
    "lead_ball": _lead_ball,
    "steel_ball": _steel_ball,
    "wire": _wire,
    "thumbtack": _thumbtack,
    "staple": _staple,
    "crack": _crack,
}

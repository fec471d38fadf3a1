"""What a synthetic defect is: plain numbers."""

from dataclasses import dataclass

from urushi.errors import InputError

Point = tuple[float, float]

MINIMUM_CHANGE = 0.02  # share of full scale by which each masked pixel differs at least: some 5 of 255; × opacity
MINIMUM_SIDE_PX = 16


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
    opacity: float  # of the paint: 1 hides what is below, 0 only brightens or darkens it
    softness: float  # standard deviation of the blurred edge
    relief: float = 0.0  # light from the upper left: positive stands out, negative is sunk in
    grain: float = 0.0  # standard deviation of the texture of what hides the surface
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # share of the contrast per colour channel; grey ignores it
    source: Point | None = None  # cut and paste: how far away the pasted piece comes from
    angle_degrees: float = 0.0  # cut and paste: by how much the piece is turned
    seed: int = 0  # of the grain


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises InputError for images that are too small for a defect, or have neither one nor three channels."""
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or min(shape[:2]) < MINIMUM_SIDE_PX:
        raise InputError(f"defects go on (H, W) or (H, W, 3) from {MINIMUM_SIDE_PX} px on; got shape {tuple(shape)}.")

"""Where the pixels lie: a plane of samples in mm, whose origin is the middle of the image."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom in mm


@dataclass(frozen=True)
class Grid:
    """Rows and columns of samples; x runs across the detector, y along the travel, z against the beam."""

    n_rows: int
    n_columns: int
    pitch_y_mm: float
    pitch_x_mm: float
    centre_y_mm: float = 0.0
    centre_x_mm: float = 0.0

    @property
    def x_mm(self) -> np.ndarray:
        """(1, W): middles of the columns."""
        return (self.centre_x_mm + _middles(self.n_columns) * self.pitch_x_mm)[None, :]

    @property
    def y_mm(self) -> np.ndarray:
        """(H, 1): middles of the rows."""
        return (self.centre_y_mm + _middles(self.n_rows) * self.pitch_y_mm)[:, None]

    def finer(self, n: int) -> "Grid":
        """The same area with n × n samples in place of each."""
        return replace(
            self,
            n_rows=self.n_rows * n,
            n_columns=self.n_columns * n,
            pitch_y_mm=self.pitch_y_mm / n,
            pitch_x_mm=self.pitch_x_mm / n,
        )

    def window(self, box_mm: Box) -> tuple[tuple[slice, slice], "Grid"]:
        """The pixels that a box touches, as slices of the image and as a grid of their own; may be empty."""
        left, top, right, bottom = box_mm
        rows = _touched(top - self.centre_y_mm, bottom - self.centre_y_mm, self.pitch_y_mm, self.n_rows)
        columns = _touched(left - self.centre_x_mm, right - self.centre_x_mm, self.pitch_x_mm, self.n_columns)
        part = replace(
            self,
            n_rows=rows.stop - rows.start,
            n_columns=columns.stop - columns.start,
            centre_y_mm=self.centre_y_mm + (rows.start + rows.stop - self.n_rows) / 2 * self.pitch_y_mm,
            centre_x_mm=self.centre_x_mm + (columns.start + columns.stop - self.n_columns) / 2 * self.pitch_x_mm,
        )
        return (rows, columns), part


def turned(x_mm: np.ndarray, y_mm: np.ndarray, angle_degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in a frame that is turned by an angle from x towards y."""
    angle = np.radians(angle_degrees)
    return x_mm * np.cos(angle) + y_mm * np.sin(angle), y_mm * np.cos(angle) - x_mm * np.sin(angle)


def _middles(n: int) -> np.ndarray:
    return np.arange(n) - (n - 1) / 2


def _touched(low_mm: float, high_mm: float, pitch_mm: float, n: int) -> slice:
    start, stop = np.floor(low_mm / pitch_mm + n / 2), np.ceil(high_mm / pitch_mm + n / 2)
    return slice(int(np.clip(start, 0, n)), int(np.clip(stop, 0, n)))


def texture(x_mm: np.ndarray, y_mm: np.ndarray, *, seed: int, grain_mm: float, reach_mm: float) -> np.ndarray:
    """(H, W) float32 of mean 0 and standard deviation about 0.7: random values every `grain_mm`, cubic between them.

    Defined for |x|, |y| <= `reach_mm`; mirrored beyond.
    """
    n = int(2 * reach_mm / grain_mm) + 3
    lattice = np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32)
    x, y = np.broadcast_arrays(x_mm, y_mm)
    column, row = (((c + reach_mm) / grain_mm + 1).astype(np.float32) for c in (x, y))
    return np.asarray(cv2.remap(lattice, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))

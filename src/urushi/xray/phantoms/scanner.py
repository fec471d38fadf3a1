"""From transmission to grey levels: unsharpness, photon and electronic noise, uneven gain, drift, dead columns."""

from dataclasses import dataclass

import cv2
import numpy as np

from urushi.xray.phantoms.grid import Grid

N_CALIBRATION_FRAMES = 16  # averaged, so that noise does not make pixels look dead


@dataclass(frozen=True)
class Pattern:
    """What is the same in every image of one scanner: gain (W,) around 1, and which columns are dead (W,)."""

    gain: np.ndarray
    is_dead: np.ndarray


@dataclass(frozen=True)
class Scanner:
    """A line detector, or an area detector where `drift` is 0; levels and spreads are shares of 1.

    The noise is white: that light spreads in the scintillator is part of the unsharpness, which comes before it.
    """

    n_columns: int
    pitch_mm: float
    n_photons: float  # that reach a pixel in the open beam and give the noise
    electronic_noise: float  # standard deviation, of the open beam's signal
    unsharpness_mm: float  # standard deviation of the point spread: focal spot, aperture, scintillator
    open_level: float  # mean grey level of the open beam
    dark_level: float
    shading: float  # how much darker the beam is at the edges
    column_spread: float  # standard deviation of the columns' gain
    drift: float = 0.0  # standard deviation of the slow drift from line to line
    dead_widths: tuple[int, ...] = ()  # columns that never answer, in px

    def pattern(self, rng: np.random.Generator) -> Pattern:
        """Draw what makes one scanner differ from the next."""
        u = np.linspace(-1, 1, self.n_columns)
        heel = self.shading * (
            0.5 - u**2 + rng.uniform(-0.5, 0.5) * u
        )  # brightest near the middle; the anode darkens one side
        gain = 1 + heel + self.column_spread * rng.standard_normal(self.n_columns)
        is_dead = np.zeros(self.n_columns, bool)
        for slot, width in zip(rng.permutation(len(self.dead_widths)), self.dead_widths, strict=True):
            start = self.n_columns * (0.15 + 0.7 * (slot + rng.uniform(0.1, 0.9)) / len(self.dead_widths))
            is_dead[int(start) : int(start) + width] = True
        return Pattern(gain, is_dead)

    def unsharp(self, transmission: np.ndarray, grid: Grid) -> np.ndarray:
        """The noise-free transmission, (H, W), as the detector can resolve it."""
        across_px, along_px = self.unsharpness_mm / grid.pitch_x_mm, self.unsharpness_mm / grid.pitch_y_mm
        blurred = cv2.GaussianBlur(
            transmission, (0, 0), sigmaX=across_px, sigmaY=along_px, borderType=cv2.BORDER_REPLICATE
        )
        return np.asarray(blurred)

    def expose(
        self, transmission: np.ndarray, pattern: Pattern, rng: np.random.Generator, *, n_frames: int = 1
    ) -> np.ndarray:
        """Grey levels in [0, 1], (H, W), of what reaches the detector; the mean of `n_frames` exposures."""
        n_photons = self.n_photons * n_frames
        counted = rng.poisson(n_photons * transmission) / n_photons
        electronic = rng.normal(0, self.electronic_noise / np.sqrt(n_frames), transmission.shape)
        signal = (counted + electronic) * pattern.gain * self._drift(len(transmission), rng)
        levels = self.dark_level + (self.open_level - self.dark_level) * signal
        return np.asarray(np.clip(np.where(pattern.is_dead, 0, levels), 0, 1))

    def calibration(self, n_rows: int, pattern: Pattern, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Exposure ON (open beam without product) and OFF (no beam), grey levels in [0, 1], (n_rows, W)."""
        open_beam = np.ones((n_rows, self.n_columns))
        on = self.expose(open_beam, pattern, rng, n_frames=N_CALIBRATION_FRAMES)
        return on, self.expose(0 * open_beam, pattern, rng, n_frames=N_CALIBRATION_FRAMES)

    def _drift(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        if not self.drift:
            return np.ones((1, 1))
        steps = rng.standard_normal((n_rows, 2))
        slow = cv2.GaussianBlur(steps[:, :1], (1, 0), 1, sigmaY=n_rows / 8)
        return np.asarray(1 + self.drift * (slow / slow.std() + 0.1 * steps[:, 1:]))


def quantised(levels: np.ndarray, bits: int) -> np.ndarray:
    """Grey levels in [0, 1] as uint8 or uint16."""
    return np.asarray(np.rint(levels * (2**bits - 1)).astype(f"uint{bits}"))

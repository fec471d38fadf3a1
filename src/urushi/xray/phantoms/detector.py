"""From transmission to grey levels: unsharpness, photon and electronic noise, uneven gain, drift, dead pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from urushi.xray.phantoms.grid import Grid

N_CALIBRATION_FRAMES = 16  # averaged, so that noise does not make pixels look dead

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Pattern:
    """What is the same in every image of one detector: gain (W,) around 1, and what is dead, (W,) or (H, W)."""

    gain: np.ndarray
    is_dead: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A line or an area detector; levels and spreads are shares of 1.

    What blurs the beam (focal spot, aperture) comes before the photons are counted and leaves their noise white; light
    that spreads in the scintillator comes after it and makes the noise of neighbours alike.
    """

    n_columns: int
    pitch_mm: float
    is_line: bool = False
    weighting: Annotated[
        Literal["integrating", "counting"], Field(description="photons count by their energy, or one each")
    ] = "integrating"
    scintillator: Annotated[
        str | None, Field(description="its material; none absorbs every photon, as S2 §1.3.2 says")
    ] = None
    scintillator_mm: Annotated[float, Field(gt=0, le=50, description="how thick it is, in mm")] = 0.3
    unsharpness_mm: Annotated[float, Field(ge=0, le=20, description="deviation of the beam's blur, in mm")] = 0.0
    light_spread_mm: Annotated[
        float, Field(ge=0, le=20, description="deviation of the light's blur, in mm: MTF exp(-2(π·mm·f)²)")
    ] = 0.0
    dark_noise_photons: Annotated[
        float, Field(ge=0, le=1e9, description="deviation of the electronic noise, in photons of mean energy")
    ] = 0.0
    open_level: Annotated[Share, Field(description="grey level that the gain gives the open beam")] = 1.0
    dark_level: Annotated[Share, Field(description="grey level without beam")] = 0.0
    shading: Annotated[Share, Field(description="how much darker the beam is at the edges")] = 0.0
    column_spread: Annotated[Share, Field(description="deviation of the columns' gain")] = 0.0
    drift: Annotated[Share, Field(description="deviation of the slow drift from line to line")] = 0.0
    dead_widths: Annotated[
        Sequence[Annotated[int, Field(ge=1)]], Field(description="widths in px of groups of dead columns")
    ] = ()
    n_dead_pixels: Annotated[
        int, Field(ge=0, le=100_000, description="single dead pixels; of a line detector, columns")
    ] = 0

    def pattern(self, rng: np.random.Generator) -> Pattern:
        """Draw what makes one detector differ from the next."""
        u = np.linspace(-1, 1, self.n_columns)
        heel = self.shading * (
            0.5 - u**2 + rng.uniform(-0.5, 0.5) * u
        )  # brightest near the middle; the anode darkens one side
        gain = 1 + heel + self.column_spread * rng.standard_normal(self.n_columns)
        return Pattern(gain, self._dead_pixels(self._dead_columns(rng), rng))

    def unsharp(self, signal: np.ndarray, grid: Grid) -> np.ndarray:
        """Noise-free maps, (n, H, W), as the beam's blur leaves them."""
        across_px, along_px = self.unsharpness_mm / grid.pitch_x_mm, self.unsharpness_mm / grid.pitch_y_mm
        return np.stack([_blurred(one, across_px, along_px) for one in signal])

    def expose(
        self,
        signal: np.ndarray,
        n_photons: float,
        pattern: Pattern,
        rng: np.random.Generator,
        *,
        n_frames: int = 1,
    ) -> np.ndarray:
        """Grey levels in [0, 1], (H, W): the mean of `n_frames` exposures of `n_photons` per pixel in the open beam.

        `signal` (2, H, W) has, as shares of the open beam's signal, its mean and n_photons times its variance.
        """
        n_photons = n_photons * n_frames
        counted = self._spread(compound_poisson(signal, n_photons, rng))
        noise = self.dark_noise_photons * np.sqrt(n_frames) / n_photons
        electronic = rng.normal(0, noise, counted.shape)
        gained = (counted + electronic) * pattern.gain * self._drift(len(counted), rng)
        levels = self.dark_level + (self.open_level - self.dark_level) * gained
        return np.asarray(np.clip(np.where(pattern.is_dead, 0, levels), 0, 1))

    def calibration(
        self, open_beam: tuple[float, float], n_photons: float, n_rows: int, pattern: Pattern, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exposure ON (`open_beam`: its mean and variance) and OFF (no beam), grey levels in [0, 1], (n_rows, W)."""
        beam = np.broadcast_to(np.reshape(open_beam, (2, 1, 1)), (2, n_rows, self.n_columns))
        on = self.expose(beam, n_photons, pattern, rng, n_frames=N_CALIBRATION_FRAMES)
        return on, self.expose(0 * beam, n_photons, pattern, rng, n_frames=N_CALIBRATION_FRAMES)

    def _dead_columns(self, rng: np.random.Generator) -> np.ndarray:
        is_dead = np.zeros(self.n_columns, bool)
        for slot, width in zip(rng.permutation(len(self.dead_widths)), self.dead_widths, strict=True):
            start = self.n_columns * (0.15 + 0.7 * (slot + rng.uniform(0.1, 0.9)) / len(self.dead_widths))
            is_dead[int(start) : int(start) + width] = True
        return is_dead

    def _dead_pixels(self, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.n_dead_pixels:
            return columns
        shape = (1 if self.is_line else self.n_columns, self.n_columns)
        singles = np.zeros(shape, bool)
        n_dead = min(self.n_dead_pixels, singles.size)
        singles.flat[rng.choice(singles.size, n_dead, replace=False)] = True
        return np.asarray((columns | singles)[0] if self.is_line else columns | singles)

    def _spread(self, counted: np.ndarray) -> np.ndarray:
        """The lines of a line detector are exposed one after another: light spreads within each of them only."""
        px = self.light_spread_mm / self.pitch_mm
        return _blurred(counted, px, 0.0 if self.is_line else px)

    def _drift(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        if not self.drift:
            return np.ones((1, 1))
        steps = rng.standard_normal((n_rows, 2))
        slow = cv2.GaussianBlur(steps[:, :1], (1, 0), 1, sigmaY=n_rows / 8)
        return np.asarray(1 + self.drift * (slow / slow.std() + 0.1 * steps[:, 1:]))


def compound_poisson(signal: np.ndarray, n_photons: float, rng: np.random.Generator) -> np.ndarray:
    """What photons of many energies add up to in each pixel, (2, H, W) -> (H, W); `signal` as for `Detector.expose`.

    Drawn as a Poisson number of equal parts with the sum's own mean m and variance v/n: parts of v/(m·n), m²·n/v of
    them on average. Number and size of the parts are those of the photons where all have one energy.
    """
    mean, variance = np.clip(signal, 0, None)
    part = np.divide(variance, mean * n_photons, out=np.zeros_like(mean), where=mean > 0)
    n_parts = np.divide(mean, part, out=np.zeros_like(mean), where=part > 0)
    return np.asarray(part * rng.poisson(n_parts))


def quantised(levels: np.ndarray, bits: int) -> np.ndarray:
    """Grey levels in [0, 1] as uint8 or uint16."""
    return np.asarray(np.rint(levels * (2**bits - 1)).astype(f"uint{bits}"))


def _blurred(image: np.ndarray, across_px: float, along_px: float) -> np.ndarray:
    if not across_px:
        return image
    kernel = (0, 0) if along_px else (0, 1)
    return np.asarray(
        cv2.GaussianBlur(image, kernel, sigmaX=across_px, sigmaY=along_px or 1, borderType=cv2.BORDER_REPLICATE)
    )

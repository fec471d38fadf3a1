"""Rigid registration of a small grey image onto a template: which place of the image each place of the template shows.

Rotations to try come from the amplitude spectrum, which shifts leave alone (Reddy and Chatterji 1996, without scale),
and from the axis of the second moments; both leave 180° open. For each, normalised cross-correlation gives the shift
and says how well it fits. ECC (Evangelidis and Psarakis 2008) refines the best.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from urushi.preprocessing.grey import grey

SIDE_PX = 128  # of the square in which images are registered
_COARSE_PX = 64  # of that in which rotations are tried
_N_ANGLES = 180  # of the spectrum, over half a turn
_N_PEAKS, _PEAK_WIDTH = 2, 6  # angles taken from the spectrum, and how far apart they are, in steps of it
_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 1e-3)


class Registration(NamedTuple):
    """How an image fits a template; correlations are those of all pixels, in −1…1."""

    matrix: np.ndarray  # 3×3, pixel corners (x, y, 1) of the template -> those of the image, both in the square
    before: float  # correlation as the image is
    after: float  # and where the matrix shows it


@dataclass(frozen=True)
class Limits:
    """How far a part may be from the template."""

    rotation_deg: float  # to either side
    shift_px: float  # in x and in y, in the square


@dataclass(frozen=True, eq=False)
class Template:
    """A square of levels (SIDE_PX, SIDE_PX) as `square` gives them, onto which others are registered."""

    levels: np.ndarray

    def register(self, levels: np.ndarray, limits: Limits, *, refine: bool) -> Registration:
        """Where a square of levels fits best; where it fits best as it is, the matrix is the identity."""
        before = correlation(levels, self.levels)
        ways = [self._coarse(_coarse(levels), limits)]
        ways += [self._refined(levels, way) for way in ways if refine]
        inside = [way for way in ways if _is_within(way, limits)]
        scored = [(correlation(warped(levels, way), self.levels), way) for way in inside]
        after, best = max([(before, np.eye(3)), *scored], key=lambda one: one[0])
        return Registration(best, before, after)

    def _coarse(self, levels: np.ndarray, limits: Limits) -> np.ndarray:
        """The best of some rotations, each with its best shift, from a smaller square."""
        scale = SIDE_PX / _COARSE_PX
        border = max(1, round(limits.shift_px / scale))
        found = [self._shifted(levels, angle, border) for angle in self._angles(levels, limits.rotation_deg)]
        _, way = max(found, key=lambda one: one[0])
        return np.asarray(np.diag([scale, scale, 1]) @ way @ np.diag([1 / scale, 1 / scale, 1]))

    def _angles(self, levels: np.ndarray, largest_deg: float) -> Iterator[float]:
        """Degrees by which the image may be turned against the template; 0 is always among them."""
        yield 0.0
        if not largest_deg:
            return
        halves = [_axis_deg(levels) - self._axis_deg, *_peaks(_spectrum(levels), self._spectrum)]
        for angle in (half + turn for half in halves for turn in (0, 180)):
            wrapped = (angle + 180) % 360 - 180
            if abs(wrapped) <= largest_deg:
                yield wrapped

    def _shifted(self, levels: np.ndarray, angle_deg: float, border: int) -> tuple[float, np.ndarray]:
        turn = _turn(angle_deg, _COARSE_PX)
        room = np.pad(warped(levels, turn), border)
        fits = cv2.matchTemplate(room, self._small, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(fits, posinf=0, neginf=0))
        return best, turn @ _shift(x - border, y - border)

    def _refined(self, levels: np.ndarray, way: np.ndarray) -> np.ndarray:
        """OpenCV's ECC errs beyond a quarter turn, so that it gets the image turned already."""
        start, everywhere = np.eye(2, 3, dtype=np.float32), np.ones_like(levels, np.uint8)
        try:
            _, more = cv2.findTransformECC(
                self.levels, warped(levels, way), start, cv2.MOTION_EUCLIDEAN, _ECC, everywhere, 1
            )
        except cv2.error:  # it does not converge
            return way
        return np.asarray(way @ _between_corners(np.vstack([np.asarray(more), [0, 0, 1]])))

    @cached_property
    def _small(self) -> np.ndarray:
        return _coarse(self.levels)

    @cached_property
    def _spectrum(self) -> np.ndarray:
        return _spectrum(self._small)

    @cached_property
    def _axis_deg(self) -> float:
        return _axis_deg(self._small)


def into_square(height: int, width: int) -> np.ndarray:
    """3×3, pixel corners of an image of (height, width) px -> those of the square, in whose middle it lies whole."""
    scale = SIDE_PX / max(height, width)
    return np.array([[scale, 0, (SIDE_PX - width * scale) / 2], [0, scale, (SIDE_PX - height * scale) / 2], [0, 0, 1]])


def square(image: np.ndarray) -> np.ndarray:
    """(H, W[, 3]) -> (SIDE_PX, SIDE_PX) float32: grey levels less that of the image's rim, at most 1 from 0."""
    height, width = image.shape[:2]
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(grey(image), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= np.median(rim(small))
    small /= max(float(np.abs(small).max()), float(np.finfo(np.float32).tiny))
    left, top = (SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2
    borders = (top, SIDE_PX - size[1] - top, left, SIDE_PX - size[0] - left)
    return np.asarray(cv2.copyMakeBorder(small, *borders, cv2.BORDER_CONSTANT, value=0))


def rim(image: np.ndarray) -> np.ndarray:
    """The outermost pixels of an image (H, W[, 3]), (n[, 3])."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, of two arrays of the same size; 0 where one of them is constant."""
    fit = float(cv2.matchTemplate(one, other, cv2.TM_CCOEFF_NORMED)[0, 0])
    return fit if np.isfinite(fit) and one.std() > 0 and other.std() > 0 else 0.0


def warped(levels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A square whose places show those of `levels` that a 3×3 matrix of pixel corners says; 0 beyond its border."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(levels, between_centres(matrix)[:2], levels.shape[::-1], flags=flags))


def between_centres(matrix: np.ndarray) -> np.ndarray:
    """A 3×3 matrix of pixel corners as one of pixel centres, which OpenCV counts from."""
    return np.asarray(_shift(-0.5, -0.5) @ matrix @ _shift(0.5, 0.5))


def features(levels: np.ndarray) -> np.ndarray:
    """(9,): four bands of the spectrum, the middle of the levels' mass, and how it spreads; alike in like images."""
    small = _coarse(levels)
    bands = cv2.resize(_amplitudes(small).mean(axis=0, keepdims=True), (4, 1), interpolation=cv2.INTER_AREA)
    moments = cv2.moments(np.abs(small))
    names = ("m10", "m01", "mu20", "mu11", "mu02")
    return np.array([*bands.ravel(), *(moments[name] / max(moments["m00"], 1e-9) for name in names)])


def _coarse(levels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(levels, (_COARSE_PX, _COARSE_PX), interpolation=cv2.INTER_AREA))


def _amplitudes(small: np.ndarray) -> np.ndarray:
    """(angles over half a turn, radii) float32: the logarithm of the amplitude spectrum; shifts leave it alone."""
    window = cv2.createHanningWindow(small.shape[::-1], cv2.CV_32F)
    spectrum = np.fft.fftshift(np.fft.fft2((small - small.mean()) * window))
    middle, size = _COARSE_PX / 2, (_COARSE_PX // 2, 2 * _N_ANGLES)
    amplitudes = np.log1p(np.abs(spectrum)).astype(np.float32)
    how = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS  # else the outermost is what memory held
    polar = cv2.warpPolar(amplitudes, size, (middle, middle), middle, how)
    return np.asarray(polar[:_N_ANGLES, 2:])  # the lowest frequencies hold light, not edges


def _spectrum(small: np.ndarray) -> np.ndarray:
    """Fourier coefficients over the angle of the amplitudes less their mean over it."""
    amplitudes = _amplitudes(small)
    return np.fft.rfft(amplitudes - amplitudes.mean(axis=0), axis=0)


def _peaks(one: np.ndarray, other: np.ndarray) -> Iterator[float]:
    """Degrees, of half a turn, by which a spectrum is turned against another, the best first."""
    fits = np.fft.irfft((one * np.conj(other)).sum(axis=1), n=_N_ANGLES)
    for _ in range(_N_PEAKS):
        best = int(fits.argmax())
        yield best * 180 / _N_ANGLES
        fits[(best + np.arange(-_PEAK_WIDTH, _PEAK_WIDTH + 1)) % _N_ANGLES] = -np.inf


def _axis_deg(small: np.ndarray) -> float:
    """The direction in which the levels' mass spreads most."""
    moments = cv2.moments(np.abs(small))
    return float(np.degrees(np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]) / 2))


def _turn(angle_deg: float, side: int) -> np.ndarray:
    """3×3, about the middle of a square."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return np.asarray(_shift(side / 2, side / 2) @ turn @ _shift(-side / 2, -side / 2))


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def _between_corners(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(_shift(0.5, 0.5) @ matrix @ _shift(-0.5, -0.5))


def _is_within(way: np.ndarray, limits: Limits) -> bool:
    """Whether the middle of the square moves, and the square turns, no further than is allowed."""
    middle = way @ [SIDE_PX / 2, SIDE_PX / 2, 1] - [SIDE_PX / 2, SIDE_PX / 2, 1]
    angle = abs(np.degrees(np.arctan2(way[1, 0], way[0, 0])))
    return bool(np.abs(middle).max() <= limits.shift_px + 1 and angle <= limits.rotation_deg + 1)

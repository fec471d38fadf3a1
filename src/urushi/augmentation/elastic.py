"""Elastic distortion: every pixel is displaced by a smooth random field.

Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
ICDAR 2003. There the field is uniform noise smoothed by a Gaussian; here the noise is normal, which after smoothing
makes no difference, and the amplitude is that of the displacements themselves, whatever the smoothing.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from urushi.augmentation.base import NO_SECOND_MAP, Parameters, Size, Transform

_FINEST = 3.0  # nodes of the field per sigma: its Gaussian has no finer detail, so that more would only cost time


@dataclass(frozen=True, kw_only=True)
class Elastic(Transform):
    """Bends the image without tearing it, as long as alpha_px is less than about two thirds of sigma_px."""

    sigma_px: Annotated[
        float, Field(ge=0.5, le=1000, description="standard deviation of the Gaussian that smooths the field, in px")
    ] = 10.0
    alpha_px: Annotated[
        float, Field(ge=0, le=1000, description="root mean square length of the displacements, in px")
    ] = 1.5

    def draw(self, rng: np.random.Generator, size: Size) -> Parameters:  # noqa: ARG002
        return {"seed": int(rng.integers(2**31)), "sigma_px": self.sigma_px, "alpha_px": self.alpha_px}

    @staticmethod
    def sources(parameters: Parameters, points: np.ndarray, size: Size) -> np.ndarray:
        step = max(1.0, parameters["sigma_px"] / _FINEST)
        field, margin = _field(parameters, size, step)
        at = points * np.float32(1 / step) + np.float32(margin)
        return np.asarray(
            points + cv2.remap(field, at, NO_SECOND_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )


def _field(parameters: Parameters, size: Size, step: float) -> tuple[np.ndarray, int]:
    """Displacements in px, float32 (h, w, 2), at nodes `step` px apart, and how many nodes lie beyond the edge."""
    sigma = parameters["sigma_px"] / step
    margin = ceil(3 * sigma)  # at the rim of the noise, mirrored noise would add up to larger displacements
    shape = [ceil(side / step) + 1 + 2 * margin for side in size]
    noise = np.random.default_rng(int(parameters["seed"])).standard_normal((*shape, 2), np.float32)
    kernel = cv2.getGaussianKernel(2 * margin + 1, sigma)
    rms = sqrt(2) * float((kernel**2).sum())  # length of what smoothing leaves of two axes of unit noise
    return np.asarray(cv2.sepFilter2D(noise, -1, kernel, kernel)) * np.float32(parameters["alpha_px"] / rms), margin

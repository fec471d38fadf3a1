"""AUPIMO: how much of each defect is found while normal images stay all but clean (Bertoldo, Ayala and Rokem 2024).

The false-positive rate is that of normal images alone, mean over images; the true-positive rate is one image's own; the
area is taken over the logarithm of the first, from 1e-5 to 1e-4, and each defective image has its own score.

No map is needed for it. A pixel is found at every rate from F on, the share of normal pixels as high or higher. So it
adds to its image's area the share of the logarithmic range above F, and the score is the mean of that over the defect
pixels of the image. This is exact for the step curve, but for ties: pixels within one bin count as if the normal ones
were higher, so a score is never too high.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.evaluation.curves import FloatArray, ratio, tails
from urushi.evaluation.histograms import ImageHistograms, coarse
from urushi.evaluation.resampling import Figure, Statistics, bootstrap

AUPIMO_RANGE = (1e-5, 1e-4)
PIMO_FPR = tuple(float(rate) for rate in np.logspace(-5, 0, 26))  # of the curves that are reported


@dataclass(frozen=True)
class ImageScore:
    """The AUPIMO of one defective image, in [0, 1]."""

    source: str
    value: float
    curve: tuple[float, ...]  # the share of its defect pixels found at each of `PIMO_FPR`


def aupimo(
    images: Sequence[ImageHistograms],
    normal: FloatArray,
    fpr_range: tuple[float, float] = AUPIMO_RANGE,
    *,
    seed: int = 0,
    n_resamples: int = 1000,
) -> tuple[Figure, tuple[ImageScore, ...]]:
    """The mean score of the defective images with its interval over images, normal ones included, and each score.

    `normal` (2²⁰,) sums over normal images the share of their pixels in each fine bin. The interval comes from coarser
    bins. Undefined if normal images have too few pixels for the lowest rate to be that of one pixel.
    """
    reason = _why_undefined(images, fpr_range)
    if reason is not None:
        return Figure(None, reason=reason), ()
    scores = _scores(images, found_from(normal), fpr_range)
    rough, has_defect = _resampled_mean(images, fpr_range), [image.n_components > 0 for image in images]
    exact = {"aupimo": float(np.mean([one.value for one in scores]))}
    how: dict[str, Any] = {"seed": seed, "n_resamples": n_resamples, "undefined": {"aupimo": ""}}
    return bootstrap(rough, has_defect, exact=exact, **how)["aupimo"], scores


def found_from(normal: FloatArray) -> FloatArray:
    """The lowest false-positive rate at which a bin's pixels are found, from its mass of normal pixels; both (…, K)."""
    return ratio(tails(normal), normal.sum(axis=-1, keepdims=True))[..., :0:-1]


def credit(rates: FloatArray, fpr_range: tuple[float, float] = AUPIMO_RANGE) -> FloatArray:
    """The share, in [0, 1], of the logarithmic range that lies above each rate, any shape."""
    lowest, highest = fpr_range
    return np.asarray(np.log(highest / np.clip(rates, lowest, highest)) / np.log(highest / lowest))


def _scores(
    images: Sequence[ImageHistograms], rates: FloatArray, fpr_range: tuple[float, float]
) -> tuple[ImageScore, ...]:
    return tuple(_score(image, rates[image.defect_bins], fpr_range) for image in images if image.n_components)


def _score(image: ImageHistograms, rates: FloatArray, fpr_range: tuple[float, float]) -> ImageScore:
    """From the rate at which each bin of its defect pixels is found, (J,)."""
    shares = image.defect_counts / image.defect_counts.sum(dtype=np.float64)
    curve = tuple(float(shares[rates <= rate].sum()) for rate in PIMO_FPR)
    return ImageScore(image.source, float(credit(rates, fpr_range) @ shares), curve)


def _resampled_mean(images: Sequence[ImageHistograms], fpr_range: tuple[float, float]) -> Statistics:
    has_defect = np.array([image.n_components > 0 for image in images])
    parts = [
        (coarse(image.defect_bins), image.defect_counts)
        if image.n_components
        else (image.normal_bins, image.normal_counts)
        for image in images
    ]
    bins = np.unique(np.concatenate([own for own, _ in parts]))
    normal, defect = (_shares([parts[i] for i in np.flatnonzero(has_defect == kind)], bins) for kind in (False, True))

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        drawn = weights.astype(np.float32)
        credits = credit(found_from((drawn[:, ~has_defect] @ normal).astype(np.float64)), fpr_range)
        summed = (credits * (drawn[:, has_defect] @ defect)).sum(axis=-1)
        return {"aupimo": np.asarray(summed / weights[:, has_defect].sum(axis=-1))}

    return statistics


def _shares(parts: list[tuple[NDArray[Any], NDArray[np.float32]]], bins: NDArray[Any]) -> NDArray[np.float32]:
    """The share of each image's pixels in each of the ascending coarse bins, (n, K)."""
    shares = np.zeros((len(parts), len(bins)), np.float32)
    for row, (own, counts) in enumerate(parts):
        np.add.at(shares[row], np.searchsorted(bins, own), counts / counts.sum())
    return shares


def _why_undefined(images: Sequence[ImageHistograms], fpr_range: tuple[float, float]) -> str | None:
    if not any(image.n_components for image in images):
        return "needs a defective image"
    n, needed = sum(image.n_pixels for image in images if not image.n_components), round(1 / fpr_range[0])
    return None if n >= needed else f"needs {needed:,} pixels of normal images; there are {n:,}"

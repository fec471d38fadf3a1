"""How well normal images are rebuilt: MSE, PSNR and SSIM (METHODS §12)."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.errors import InputError
from urushi.evaluation.intervals import student
from urushi.evaluation.resampling import Figure

_SSIM_SIDE_PX = 11  # the Gaussian window of Wang et al. 2004

UNDEFINED = {
    "mse": "needs at least one normal image",
    "psnr": "infinite: an image was rebuilt without any error",
    "ssim": f"needs scikit-image, of the extra `train`, and images of at least {_SSIM_SIDE_PX} px a side",
}


def reconstruction_errors(image: NDArray[Any], reconstruction: NDArray[Any]) -> tuple[float, float, float]:
    """MSE, PSNR in dB and SSIM in [-1, 1] of (H, W, C) in [0, 1]; NaN is undefined, InputError if shapes differ."""
    if image.shape != reconstruction.shape or image.ndim != 3:
        raise InputError(
            f"An image of shape {image.shape} was rebuilt as {reconstruction.shape}; both must be (height, width, "
            "channels) and equal. Check the model's output."
        )
    mse = float(np.mean((image.astype(np.float64) - reconstruction) ** 2))
    return mse, float(-10 * np.log10(mse)) if mse > 0 else np.nan, _ssim(image, reconstruction)


def reconstruction_figures(errors: list[tuple[float, float, float]]) -> dict[str, Figure]:
    """Means over n ≥ 1 images of what `reconstruction_errors` gave, with Student's intervals over images."""
    columns = zip(("mse", "psnr", "ssim"), np.array(errors).T, strict=True)
    return {name: _mean(name, values) for name, values in columns}


def _mean(name: str, values: NDArray[Any]) -> Figure:
    if not np.isfinite(values).all():
        return Figure(None, reason=UNDEFINED[name])
    if len(values) < 2:
        return Figure(float(values.mean()), reason="no interval: it needs at least two normal images")
    return Figure(float(values.mean()), *student(values))


def _ssim(image: NDArray[Any], reconstruction: NDArray[Any]) -> float:
    if min(image.shape[:2]) < _SSIM_SIDE_PX:
        return np.nan
    try:
        metrics: Any = importlib.import_module("skimage.metrics")  # not in the base installation
    except ImportError:
        return np.nan  # the figure is then null and says why
    settings: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(metrics.structural_similarity(image, reconstruction, data_range=1.0, channel_axis=2, **settings))

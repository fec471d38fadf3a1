"""Figures of pixels by streaming: histograms over fixed bins of float32, so no anomaly map is kept.

Pixels within one bin (0.05 % of their value) are tied; otherwise the figures are exact.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.errors import InputError
from urushi.evaluation import curves
from urushi.evaluation.aupimo import AUPIMO_RANGE, ImageScore, aupimo
from urushi.evaluation.aupro import aupro, component_weights
from urushi.evaluation.curves import FloatArray
from urushi.evaluation.histograms import (
    COARSE_BITS,
    FINE_BITS,
    ImageHistograms,
    bin_of,
    coarse,
    image_histograms,
    lower_edge,
)
from urushi.evaluation.resampling import Figure, bootstrap

AUPRO_LIMITS = (0.3, 0.05)
_N_GROUPS = 1024  # for resampling, coarse bins are joined to so many groups of about equal mass
_UNDEFINED = "needs normal and defective pixels, and anomaly maps that are not constant"


@dataclass(frozen=True)
class PixelFigures:
    """Pixel figures of n images, and the threshold on the anomaly map that has the best IoU (on these very images)."""

    n_images: int
    n_components: int  # connected defects
    metrics: dict[str, Figure]
    best_iou_threshold: float | None  # a pixel is found if it is strictly above
    aupimo_of_images: tuple[ImageScore, ...]  # of defective images; none where AUPIMO is undefined


class PixelHistograms:
    """Collects anomaly maps and masks image by image, in 32 MB plus some kB per image whatever the image size."""

    def __init__(self) -> None:
        self._fine = np.zeros((3, 1 << FINE_BITS))
        self._normal_images = np.zeros(1 << FINE_BITS)  # the share of each image, summed
        self._images: list[ImageHistograms] = []
        self._lowest, self._highest = np.inf, -np.inf

    @property
    def n_components(self) -> int:
        """How many connected defects there are in all masks."""
        return sum(image.n_components for image in self._images)

    def add(self, source: str, anomaly_map: NDArray[Any], mask: NDArray[np.bool_]) -> None:
        """Add one image: its map (H, W), finite, and its mask (H, W), True = defect; raises InputError otherwise."""
        values = _checked(source, anomaly_map, mask)
        weights, n_components = component_weights(mask)
        bins = bin_of(values)
        np.add.at(self._fine[0], bins[~mask], 1.0)  # with the integer 1, NumPy is fifty times slower
        np.add.at(self._fine[1], bins[mask], 1.0)
        np.add.at(self._fine[2], bins[mask], weights)
        if not n_components:
            np.add.at(self._normal_images, bins.ravel(), 1.0 / bins.size)
        self._images.append(image_histograms(source, bins, mask, weights, n_components))
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))

    def join(self, other: "PixelHistograms") -> None:
        """Add the images of another collection."""
        self._fine += other._fine
        self._normal_images += other._normal_images
        self._images += other._images
        self._lowest, self._highest = min(self._lowest, other._lowest), max(self._highest, other._highest)

    def figures(
        self,
        *,
        seed: int = 0,
        n_resamples: int = 1000,
        aupro_limits: tuple[float, ...] = AUPRO_LIMITS,
        aupimo_range: tuple[float, float] = AUPIMO_RANGE,
    ) -> PixelFigures:
        """All pixel figures with intervals over images (defective and good ones apart); InputError without images.

        Intervals come from coarser bins, the figures themselves do not.
        """
        if not self._images:
            raise InputError("There are no images with masks, so there are no pixel figures. Add some first.")
        images = sorted(self._images, key=lambda image: image.source)  # intervals independent of the order of images
        occupied = np.flatnonzero(self._fine.any(axis=0))
        masses, n_components = self._fine[:, None, occupied], np.array([float(image.n_components) for image in images])
        exact = _statistics(masses, n_components.sum(keepdims=True), self._values(occupied), aupro_limits)
        group_of, firsts = _groups(masses[:, 0], occupied)
        stack, values = _stack(images, group_of, len(firsts)), self._values(firsts)

        def statistics(weights: FloatArray) -> dict[str, FloatArray]:
            return _statistics(weights @ stack, weights @ n_components, values, aupro_limits)

        how: dict[str, Any] = {"seed": seed, "n_resamples": n_resamples, "undefined": dict.fromkeys(exact, _UNDEFINED)}
        values_exact = {name: float(value[0]) for name, value in exact.items()}
        metrics = bootstrap(statistics, n_components > 0, exact=values_exact, **how)
        metrics["aupimo"], of_images = aupimo(
            images, self._normal_images, aupimo_range, seed=seed, n_resamples=n_resamples
        )
        return PixelFigures(len(images), self.n_components, metrics, _best_threshold(masses, occupied), of_images)

    def _values(self, bins: NDArray[np.intp]) -> FloatArray:
        return np.clip(lower_edge(bins).astype(np.float64), self._lowest, self._highest)


def _statistics(
    masses: FloatArray, n_components: FloatArray, values: FloatArray, aupro_limits: tuple[float, ...]
) -> dict[str, FloatArray]:
    """Every figure (R,) from histograms (3, R, K) over bins that begin at `values` (K,)."""
    normal, defect, overlap = masses
    figures = {
        "roc_auc": curves.roc_auc(normal, defect),
        "pr_auc": curves.average_precision(normal, defect),
        "f1_max": curves.best_f1(normal, defect),
        "best_iou": curves.iou(normal, defect).max(axis=-1),
        "iou_auc": curves.iou_auc(normal, defect, values),
    }
    return figures | {f"aupro_{limit:g}": aupro(normal, overlap, n_components, limit) for limit in aupro_limits}


def _groups(masses: FloatArray, occupied: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The group of every coarse bin, and the first fine bin of each group; normals and defects weigh the same."""
    share = (masses / np.maximum(masses.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    bins, starts = np.unique(coarse(occupied), return_index=True)
    mass = np.add.reduceat(share, starts)
    wanted = ((np.cumsum(mass) - mass / 2) / mass.sum() * _N_GROUPS).astype(np.intp)
    _, firsts, group = np.unique(wanted, return_index=True, return_inverse=True)
    group_of = np.zeros(1 << COARSE_BITS, dtype=np.intp)
    group_of[bins] = group
    return group_of, occupied[starts[firsts]]


def _stack(images: list[ImageHistograms], group_of: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Histograms of every image over groups of bins, (3, n, n_groups)."""
    stack = np.zeros((3, len(images), n_groups))
    for row, image in enumerate(images):
        normal, defect = group_of[image.normal_bins], group_of[coarse(image.defect_bins)]
        masses = ((normal, image.normal_counts), (defect, image.defect_counts), (defect, image.defect_weights))
        stack[:, row] = [np.bincount(groups, weights=mass, minlength=n_groups) for groups, mass in masses]
    return stack


def _best_threshold(masses: FloatArray, occupied: NDArray[np.intp]) -> float | None:
    iou = curves.iou(masses[0], masses[1])[0]
    if np.isnan(iou).any():
        return None
    lowest_found = lower_edge(occupied[[len(occupied) - int(np.argmax(iou))]])[0]
    return float(np.nextafter(lowest_found, np.float32(-np.inf)))


def _checked(source: str, anomaly_map: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    if anomaly_map.ndim != 2 or anomaly_map.size == 0 or mask.shape != anomaly_map.shape or mask.dtype != np.bool_:
        raise InputError(
            f"{source}: the anomaly map has shape {anomaly_map.shape} and the mask {mask.shape} of {mask.dtype}; "
            "allowed are (height, width) for both and a mask of bool. Bring the mask to size with `fit_mask`."
        )
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = anomaly_map.astype(np.float32)
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise InputError(
            f"{source}: {n_bad} of {values.size} values of the anomaly map are NaN or infinite; only finite values are "
            "allowed. Check the model: its training may have diverged."
        )
    return values

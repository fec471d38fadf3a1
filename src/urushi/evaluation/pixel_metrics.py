"""Figures of pixels by streaming: histograms over fixed bins of float32, so no anomaly map is kept.

Pixels within one bin (0.05 % of their value) are tied; otherwise the figures are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urushi.errors import InputError
from urushi.evaluation import curves
from urushi.evaluation.aupimo import AUPIMO_RANGE, ImageScore, aupimo
from urushi.evaluation.aupro import component_weights
from urushi.evaluation.curves import FloatArray
from urushi.evaluation.histograms import FINE_BITS, ImageHistograms, bin_of, image_histograms, lower_edge
from urushi.evaluation.joined_bins import groups, stack
from urushi.evaluation.overlap_areas import UNDEFINED, DefectPixels, n_regions, overlap_areas, parts_of, per_defect
from urushi.evaluation.region_metrics import REGION_FIGURES, found_pixels, region_figures
from urushi.evaluation.resampling import Figure, bootstrap
from urushi.evaluation.saturated_overlap import MapRegion, saturated_weights

AUPRO_LIMITS = (0.3, 0.05)
FEW_LEVELS = 100  # of anomaly maps: with fewer, figures of pixels are coarse


@dataclass(frozen=True)
class PixelFigures:
    """Pixel figures of n images, and the threshold on the anomaly map that has the best IoU (on these very images)."""

    n_images: int
    n_components: int  # connected defects
    n_regions: int | None  # that saturate; None without AU-sPRO
    metrics: dict[str, Figure]
    best_iou_threshold: float | None  # a pixel is found if it is strictly above
    aupimo_of_images: tuple[ImageScore, ...]  # of defective images; none where AUPIMO is undefined
    per_defect: tuple[DefectPixels, ...]  # sorted by name
    n_levels: int  # how many values of anomaly maps can be told apart

    @property
    def remark(self) -> str | None:
        """Why these figures are worth little, where they are."""
        if self.n_levels >= FEW_LEVELS:
            return None
        return f"anomaly maps have only {self.n_levels} values that can be told apart: pixel figures are coarse"


class PixelHistograms:
    """Collects anomaly maps and masks image by image, in 40 MB plus some kB per image whatever the image size.

    `offset` is taken off all maps: bins are relative, and what all maps share would fill a few of them. A pixel above
    `region_threshold` belongs to a region.
    """

    def __init__(self, offset: float = 0.0, region_threshold: float | None = None) -> None:
        self._offset, self._region_threshold = offset, region_threshold
        self._fine = np.zeros((4, 1 << FINE_BITS))
        self._normal_images = np.zeros(1 << FINE_BITS)  # the share of each image, summed
        self._images: list[ImageHistograms] = []
        self._lowest, self._highest = np.inf, -np.inf
        self.varies = False  # whether any map has two values; figures of constant ones would tell images, not places

    @property
    def n_components(self) -> int:
        """How many connected defects there are in all masks."""
        return sum(image.n_components for image in self._images)

    def add(
        self,
        source: str,
        anomaly_map: NDArray[Any],
        mask: NDArray[np.bool_],
        kind: str = "",
        regions: Sequence[MapRegion] | None = None,
        *,
        ignored: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one image: its map (H, W), finite, and its mask (H, W), True = defect; raises InputError otherwise.

        `kind` is the type of its defect, `regions` are those of its mask, where it is known how they saturate. What
        is `ignored`, (H, W), of which the mask marks nothing, counts for nothing.
        """
        values = _checked(source, anomaly_map, mask, self._offset)
        weights, n_components = component_weights(mask)
        bins = bin_of(values)
        normal = bins[~mask if ignored is None else ~(mask | ignored)]
        np.add.at(self._fine[0], normal, 1.0)  # with the integer 1, NumPy is fifty times slower
        np.add.at(self._fine[1], bins[mask], 1.0)
        np.add.at(self._fine[2], bins[mask], weights)
        saturated = saturated_weights(bins, mask, regions or ())
        np.add.at(self._fine[3], bins[mask], saturated)
        if not n_components:
            np.add.at(self._normal_images, normal, 1.0 / normal.size)
        limit = self._region_threshold
        found = None if limit is None else found_pixels(anomaly_map > limit, mask, weights)
        how: dict[str, Any] = {"n_regions": None if regions is None else len(regions), "kind": kind, "found": found}
        self._images.append(
            image_histograms(source, normal, bins[mask], weights, n_components, saturated=saturated, **how)
        )
        counted = values if ignored is None else values[~ignored]
        lowest, highest = float(counted.min()), float(counted.max())
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        self.varies |= lowest < highest

    def join(self, other: "PixelHistograms") -> None:
        """Add the images of another collection."""
        self._fine += other._fine
        self._normal_images += other._normal_images
        self._images += other._images
        self._lowest, self._highest = min(self._lowest, other._lowest), max(self._highest, other._highest)
        self.varies |= other.varies

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
        masses, parts = self._fine[:, None, occupied], parts_of(images)
        n_components = parts[0]
        exact = _statistics(masses, parts.sum(axis=1, keepdims=True), self._values(occupied), aupro_limits)
        group_of, firsts = groups(masses[:, 0], occupied)
        stacked, values = stack(images, group_of, len(firsts)), self._values(firsts)
        found = np.array([image.found for image in images if image.found]).reshape(-1, 4)

        def statistics(weights: FloatArray) -> dict[str, FloatArray]:
            own = region_figures((weights @ found).T, weights @ n_components) if len(found) else {}
            return _statistics(weights @ stacked, parts @ weights.T, values, aupro_limits) | own

        undefined = dict.fromkeys((*exact, *REGION_FIGURES), UNDEFINED)
        how: dict[str, Any] = {"seed": seed, "n_resamples": n_resamples, "undefined": undefined}
        values_exact = {name: float(value[0]) for name, value in exact.items()}
        metrics = bootstrap(statistics, n_components > 0, exact=values_exact, **how)
        metrics["aupimo"], of_images = aupimo(
            images, self._normal_images, aupimo_range, seed=seed, n_resamples=n_resamples
        )
        return PixelFigures(
            n_images=len(images),
            n_components=self.n_components,
            n_regions=n_regions(parts),
            metrics=metrics,
            best_iou_threshold=_best_threshold(masses, occupied, self._offset),
            aupimo_of_images=of_images,
            per_defect=tuple(per_defect(images, stacked, parts, aupro_limits, seed=seed, n_resamples=n_resamples)),
            n_levels=len(occupied),
        )

    def _values(self, bins: NDArray[np.intp]) -> FloatArray:
        return np.clip(lower_edge(bins).astype(np.float64), self._lowest, self._highest)


def _statistics(
    masses: FloatArray, parts: FloatArray, values: FloatArray, aupro_limits: tuple[float, ...]
) -> dict[str, FloatArray]:
    """Every figure (R,) from histograms (4, R, K) over bins that begin at `values` (K,)."""
    normal, defect = masses[:2]
    figures = {
        "roc_auc": curves.roc_auc(normal, defect),
        "pr_auc": curves.average_precision(normal, defect),
        "f1_max": curves.best_f1(normal, defect),
        "best_iou": curves.iou(normal, defect).max(axis=-1),
        "iou_auc": curves.iou_auc(normal, defect, values),
    }
    return figures | overlap_areas(masses, parts, aupro_limits)


def _best_threshold(masses: FloatArray, occupied: NDArray[np.intp], offset: float) -> float | None:
    iou = curves.iou(masses[0], masses[1])[0]
    if np.isnan(iou).any():
        return None
    lowest_found = lower_edge(occupied[[len(occupied) - int(np.argmax(iou))]])[0]
    return offset + float(np.nextafter(lowest_found, np.float32(-np.inf)))


def _checked(source: str, anomaly_map: NDArray[Any], mask: NDArray[np.bool_], offset: float) -> NDArray[np.float32]:
    if anomaly_map.ndim != 2 or anomaly_map.size == 0 or mask.shape != anomaly_map.shape or mask.dtype != np.bool_:
        raise InputError(
            f"{source}: the anomaly map has shape {anomaly_map.shape} and the mask {mask.shape} of {mask.dtype}; "
            "allowed are (height, width) for both and a mask of bool. Bring the mask to size with `fit_mask`."
        )
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = (anomaly_map.astype(np.float64) - offset).astype(np.float32)
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise InputError(
            f"{source}: {n_bad} of {values.size} values of the anomaly map are NaN or infinite; only finite values are "
            "allowed. Check the model: its training may have diverged."
        )
    return values

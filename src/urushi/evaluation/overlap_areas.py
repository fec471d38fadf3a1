"""Areas under overlap per region, AUPRO and AU-sPRO, of all defects and of each type of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from urushi.evaluation.aupro import aupro
from urushi.evaluation.curves import FloatArray
from urushi.evaluation.histograms import ImageHistograms
from urushi.evaluation.resampling import Figure, bootstrap

UNDEFINED = "needs normal and defective pixels, and anomaly maps that are not constant"


@dataclass(frozen=True)
class DefectPixels:
    """AUPRO and AU-sPRO of the defects of one type, against normal images and what is normal on its own."""

    defect: str
    n_images: int
    n_components: int
    n_regions: int | None  # that saturate; None without AU-sPRO
    figures: dict[str, Figure]


def overlap_areas(masses: FloatArray, parts: FloatArray, limits: tuple[float, ...]) -> dict[str, FloatArray]:
    """AUPRO (R,) and, with `parts` (2, R), AU-sPRO (R,); parts (1, R) are the components alone."""
    normal, _, *overlaps = masses
    return {
        f"{name}_{limit:g}": aupro(normal, overlap, n_parts, limit)
        for name, overlap, n_parts in zip(("aupro", "auspro"), overlaps, parts, strict=False)
        for limit in limits
    }


def parts_of(images: list[ImageHistograms]) -> FloatArray:
    """How many components each image has and, where that is known of all defects, how many regions: (1 or 2, n)."""
    parts = [[float(image.n_components) for image in images]]
    known = [image.n_regions is not None for image in images if image.n_components]
    if known and all(known):
        parts.append([float(image.n_regions or 0) for image in images])
    return np.array(parts)


def n_regions(parts: FloatArray) -> int | None:
    """Of all images together, from (1 or 2, n); None where it is not known."""
    return int(parts[1].sum()) if len(parts) > 1 else None


def per_defect(
    images: list[ImageHistograms],
    stacked: FloatArray,
    parts: FloatArray,
    limits: tuple[float, ...],
    *,
    seed: int,
    n_resamples: int,
) -> Iterator[DefectPixels]:
    """Each type of defect with all images that have none."""
    kinds, n_components = np.array([image.kind for image in images]), parts[0]
    for kind in np.unique(kinds[n_components > 0]):
        own = (kinds == kind) | (n_components == 0)
        histograms, n_own = stacked[:, own], parts[:, own]

        def statistics(
            weights: FloatArray, histograms: FloatArray = histograms, n_own: FloatArray = n_own
        ) -> dict[str, FloatArray]:
            return overlap_areas(weights @ histograms, n_own @ weights.T, limits)

        has_defect = n_own[0] > 0
        undefined = dict.fromkeys(statistics(np.ones((1, len(has_defect)))), UNDEFINED)
        figures = bootstrap(statistics, has_defect, seed=seed, n_resamples=n_resamples, undefined=undefined)
        yield DefectPixels(str(kind), int(has_defect.sum()), int(n_own[0].sum()), n_regions(n_own), figures)

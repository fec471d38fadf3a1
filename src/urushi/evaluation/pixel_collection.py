"""Anomaly maps beside their masks: which images take part in the pixel figures, and why the others do not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from urushi.data.mask_on_map import fit_mask
from urushi.data.masks import INVERTED, Coverage, fitting, inverted, misfit
from urushi.data.saturation import Saturation
from urushi.errors import UnreadableImageError
from urushi.evaluation.pixel_metrics import PixelHistograms
from urushi.evaluation.saturated_overlap import MapRegion, map_regions
from urushi.inspection import Inspection, Unreadable
from urushi.printable import in_px

ReadMask = Callable[[Path], NDArray[Any]]  # a mask (h, w), non-zero = defect


class MaskedSample(Protocol):
    """What is needed to know of an image; a read-only view."""

    @property
    def label(self) -> int | None:
        """0 = normal, 1 = anomalous."""

    @property
    def mask(self) -> Path | None:
        """Its ground truth; a normal image needs none."""


class PixelCollection:
    """Collects images one by one; those whose masks may be inverted stay apart until all masks are known."""

    def __init__(self, saturation: Saturation | None = None) -> None:
        self._saturation = saturation
        self._histograms: PixelHistograms | None = None  # made with the first image, whose detector is that of all
        self._doubtful: dict[str, tuple[PixelHistograms, set[str]]] = {}  # by kind of defect, with sources
        self._coverages: list[Coverage] = []
        self._unmasked: list[Unreadable] = []
        self._unusable: list[Unreadable] = []
        self._remarks: list[Unreadable] = []
        self._without_regions: list[Unreadable] = []

    def add(self, sample: MaskedSample, kind: str, inspection: Inspection, read_mask: ReadMask) -> None:
        """Add one image of a kind of defect, with its mask if it has one; raises InputError for a map with NaN."""
        found = self._mask(sample, kind, inspection, read_mask)
        if isinstance(found, Unreadable):
            (self._unmasked if sample.mask is None else self._unusable).append(found)
            return
        if self._histograms is None:
            self._histograms = _empty(inspection)
        histograms = self._histograms
        if sample.label == 1 and self._coverages[-1].is_doubtful:
            histograms, sources = self._doubtful.setdefault(kind, (_empty(inspection), set()))
            sources.add(inspection.source)
        regions = self._regions(sample, inspection)
        histograms.add(inspection.source, inspection.anomaly_map, found, kind, regions, ignored=inspection.uncounted)

    def close(self) -> PixelHistograms:
        """The images that take part, once all have come."""
        refused, taken = inverted(self._coverages), self._histograms or PixelHistograms()
        for kind, (histograms, sources) in self._doubtful.items():
            if kind in refused:
                self._unusable += [Unreadable(source, f"its mask {INVERTED}") for source in sources]
                self._remarks = [one for one in self._remarks if one.source not in sources]
                self._without_regions = [one for one in self._without_regions if one.source not in sources]
            else:
                taken.join(histograms)
        return taken

    @property
    def reason(self) -> str:
        """Why there are no pixel figures."""
        if self._histograms is not None and self._histograms.n_components:
            return "every anomaly map is constant: this detector says nothing of places"
        if not self._unusable:
            return "no image of a defect has a mask"
        first = min(self._unusable, key=lambda one: one.source)
        return f"none of the {len(self._unusable)} masks can be used; the first: {first.source}: {first.reason}"

    @property
    def saturation_file(self) -> str | None:
        """The file with the saturation thresholds."""
        return None if self._saturation is None else str(self._saturation.file)

    @property
    def saturation_reason(self) -> str | None:
        """Why there is no AU-sPRO although saturation thresholds are given: the first image, and what is wrong."""
        first = min(self._without_regions, key=lambda one: one.source, default=None)
        return None if first is None else f"{first.source}: {first.reason}"

    @property
    def left_out(self) -> tuple[Unreadable, ...]:
        """Images without pixel figures and why, sorted by source."""
        return tuple(sorted(self._unmasked + self._unusable, key=lambda one: one.source))

    @property
    def remarks(self) -> tuple[Unreadable, ...]:
        """Images whose mask is used but should be looked at, and why, sorted by source."""
        return tuple(sorted(self._remarks, key=lambda one: one.source))

    def _regions(self, sample: MaskedSample, inspection: Inspection) -> list[MapRegion] | None:
        """The regions of a defective image that saturate, or None where it is not known how they do."""
        if self._saturation is None or sample.mask is None or sample.label == 0:
            return None
        try:
            whole = self._saturation.regions(sample.mask)
            regions = list(_inspected_regions(map_regions(whole, inspection, inspection.source), inspection))
        except UnreadableImageError as error:
            self._without_regions.append(Unreadable(inspection.source, str(error)))
            return None
        if vanished := len(whole) - len(regions):
            seen = f"vanish at the size of the anomaly map{'' if inspection.uncounted is None else ', or do not count'}"
            reason = f"{vanished} of the {len(whole)} regions of its mask {seen}"
            self._remarks.append(Unreadable(inspection.source, reason))
        return regions

    def _mask(
        self, sample: MaskedSample, kind: str, inspection: Inspection, read_mask: ReadMask
    ) -> NDArray[np.bool_] | Unreadable:
        """The mask at map resolution, or why this image cannot take part in the pixel figures."""
        size, source = inspection.anomaly_map.shape, inspection.source
        if sample.mask is None:
            absent = Unreadable(source, "anomalous, but it has no mask")
            return absent if sample.label == 1 else np.zeros(size, dtype=bool)
        try:
            whole = read_mask(sample.mask)
        except UnreadableImageError as error:
            return Unreadable(source, f"its mask cannot be read: {error}")
        turned = fitting(whole, inspection.original_size, Path(source))
        if turned is None:
            return Unreadable(source, misfit(whole, inspection.original_size))
        mask = fit_mask(turned, (size[0], size[1]), inspection.to_original, inspection.original_size)
        found = self._marking(sample, kind, source, turned, mask)
        return found if isinstance(found, Unreadable) else _inspected(found, inspection)

    def _marking(
        self, sample: MaskedSample, kind: str, source: str, whole: NDArray[Any], mask: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | Unreadable:
        """The same mask unless it marks what it must not, or nothing."""
        if sample.label == 0:
            marked = Unreadable(source, "it is labelled normal, but its mask marks a defect")
            return marked if whole.any() else mask
        if whole.any():
            coverage = Coverage.of(whole, kind)
            self._coverages.append(coverage)
            self._remarks += [Unreadable(source, f"its mask {coverage.remark}")] if coverage.remark else []
        if mask.any():
            return mask
        reason = f"its mask marks nothing, or nothing that preprocessing leaves at {in_px(mask.shape)}"
        return Unreadable(source, reason)


def _inspected(mask: NDArray[np.bool_], inspection: Inspection) -> NDArray[np.bool_] | Unreadable:
    """What a mask marks of what the detector inspects, or that it marks nothing of that."""
    if inspection.uncounted is None or not mask.any():
        return mask
    left = mask & ~inspection.uncounted
    return left if left.any() else Unreadable(inspection.source, "its mask marks only what the detector ignores")


def _inspected_regions(regions: Sequence[MapRegion], inspection: Inspection) -> Iterator[MapRegion]:
    for region in regions:
        mask = region.mask if inspection.uncounted is None else region.mask & ~inspection.uncounted
        if mask.any():
            yield replace(region, mask=mask)


def _empty(inspection: Inspection) -> PixelHistograms:
    return PixelHistograms(inspection.map_scale.low, inspection.map_scale.region_threshold)

"""Evaluation of a detector on labelled images: one pass, image by image, nothing kept but scores and histograms."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from urushi.calibration import Plant
from urushi.data.images import luminance
from urushi.data.samples import GOOD
from urushi.data.saturation import Saturation
from urushi.errors import InputError
from urushi.evaluation.aupimo import PIMO_FPR
from urushi.evaluation.below_chance import below_chance
from urushi.evaluation.confusion import confusion
from urushi.evaluation.image_metrics import DefectFigures, defect_figures, image_figures
from urushi.evaluation.intervals import CONFIDENCE
from urushi.evaluation.luminance import BRIGHTNESS, PREPARED, LuminanceReport, compare_luminances
from urushi.evaluation.pixel_collection import PixelCollection, ReadMask
from urushi.evaluation.pixel_metrics import AUPRO_LIMITS, PixelFigures
from urushi.evaluation.plant import least_cost, plant_figures
from urushi.evaluation.reconstruction_metrics import reconstruction_errors, reconstruction_figures
from urushi.evaluation.repeats import Seen, repeats
from urushi.evaluation.resampling import Figure
from urushi.inspection import Decision, Inspection, Unreadable
from urushi.printable import counted

UNNAMED = "(unnamed)"  # the type of a defect that has none


class LabelledSample(Protocol):
    """What evaluation needs to know of an image; a read-only view, so that any sample class fits."""

    @property
    def label(self) -> int | None:
        """0 = normal, 1 = anomalous."""

    @property
    def defect(self) -> str | None:
        """The defect type of an anomalous image."""

    @property
    def mask(self) -> Path | None:
        """Its ground truth; a normal image needs none."""


@dataclass(frozen=True)
class ScoredImage:
    """What one image got, for histograms, curves and galleries."""

    source: str
    label: int
    defect: str | None
    score: float
    decision: Decision
    p_value: float
    caution: str | None = None  # why the threshold may not hold for it


@dataclass(frozen=True)
class Evaluation:
    """All figures of one evaluation; what is None has its reason beside it."""

    images: tuple[ScoredImage, ...]  # sorted by source
    unreadable: tuple[Unreadable, ...]
    repeats: tuple[Unreadable, ...]  # images with the same pixels as others, and as which
    counts: dict[str, int]  # tp, fp, tn, fn
    image: dict[str, Figure]
    per_defect: tuple[DefectFigures, ...]
    pixel: PixelFigures | None
    pixel_reason: str | None
    saturation_file: str | None  # with the saturation thresholds of AU-sPRO
    saturation_reason: str | None  # why there is no AU-sPRO, where saturation thresholds were given
    pixel_left_out: tuple[Unreadable, ...]  # images without pixel figures, and why
    pixel_remarks: tuple[Unreadable, ...]  # images with pixel figures whose mask should be looked at, and why
    reconstruction: dict[str, Figure] | None  # of normal images
    reconstruction_reason: str | None
    ignored_share: float  # of each map that is ignored, or a frame around the image: pixel figures leave it out
    luminance: LuminanceReport  # of the images as they were read, before preprocessing
    prepared_luminance: LuminanceReport  # of the images as the method saw them
    seed: int
    n_resamples: int
    plant: Plant | None = None  # where the detector is to work
    plant_figures: dict[str, Figure] = field(default_factory=dict)  # there, at the detector's threshold and the best

    @property
    def unsure(self) -> dict[str, int]:
        """Unsure images by label; `counts` has them among tn and fn, since they were not called anomalous."""
        labels = [image.label for image in self.images if image.decision == "unsure"]
        return {"normal": labels.count(0), "anomalous": labels.count(1)}

    @property
    def below_chance(self) -> str | None:
        """What is to be said of a ROC-AUC below 0.5 of images, kinds of defects or pixels; None if none is."""
        found = {"images": self.image["roc_auc"].value}
        found |= {f"defect {row.defect}": row.figures["roc_auc"].value for row in self.per_defect}
        return below_chance(found | ({"pixels": self.pixel.metrics["roc_auc"].value} if self.pixel else {}))

    def to_json(self) -> dict[str, Any]:
        """Plain values; an undefined figure is null and has a `reason`."""
        return {
            "format": 1,
            "n_images": len(self.images),
            "n_normal": sum(image.label == 0 for image in self.images),
            "n_anomalous": sum(image.label == 1 for image in self.images),
            "n_unreadable": len(self.unreadable),
            "unreadable": [asdict(one) for one in self.unreadable],
            "repeats": [asdict(one) for one in self.repeats],
            "interval": {"confidence": CONFIDENCE, "n_resamples": self.n_resamples, "seed": self.seed},
            "counts": self.counts,
            "unsure": self.unsure,
            "image": _figures_json(self.image),
            "below_chance": self.below_chance,
            "per_defect": [_defect_json(row) for row in self.per_defect],
            "pixel": self.pixel and _pixel_json(self.pixel),
            "pixel_reason": self.pixel_reason,
            "saturation_file": self.saturation_file,
            "saturation_reason": self.saturation_reason,
            "pixel_left_out": [asdict(one) for one in self.pixel_left_out],
            "pixel_remarks": [asdict(one) for one in self.pixel_remarks],
            "reconstruction": self.reconstruction and _figures_json(self.reconstruction),
            "reconstruction_reason": self.reconstruction_reason,
            "ignored_share": self.ignored_share,
            "luminance": self.luminance.to_json(),
            "plant": self.plant and asdict(self.plant) | {"figures": _figures_json(self.plant_figures)},
            "prepared_luminance": self.prepared_luminance.to_json(),
            "scores": [asdict(image) for image in self.images],
        }


@dataclass
class _Collected:
    images: list[ScoredImage] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    pixels: PixelCollection = field(default_factory=PixelCollection)
    errors: list[tuple[str, tuple[float, float, float]]] = field(default_factory=list)
    luminances: dict[str, list[float]] = field(default_factory=dict)  # by kind
    prepared: dict[str, list[float]] = field(default_factory=dict)  # the same after preprocessing
    ignored_share: float = 0.0


def evaluate(
    results: Iterable[tuple[LabelledSample, Inspection | Unreadable]],
    *,
    read_mask: ReadMask,
    saturation: Saturation | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
    aupro_limits: tuple[float, ...] = AUPRO_LIMITS,
    plant: Plant | None = None,
) -> Evaluation:
    """All figures of a stream of inspected samples; the same whatever their order.

    With `saturation` AU-sPRO is among them, with `plant` what the decisions are worth at its prevalence and costs.
    Raises InputError if no image could be read, or one has no label, a non-finite score or a non-finite map.
    """
    collected = _Collected(pixels=PixelCollection(saturation))
    for sample, result in results:
        if isinstance(result, Unreadable):
            collected.unreadable.append(result)
        else:
            _collect(collected, sample, result, read_mask)
    if not collected.images:
        raise InputError(
            f"There is nothing to evaluate: {counted(len(collected.unreadable), 'image')} came, and none could "
            "be inspected. "
            "Give a folder with readable images."
        )
    found = _evaluation(collected, seed, n_resamples, aupro_limits)
    return found if plant is None else replace(found, plant=plant, plant_figures=_in_plant(found, plant))


def _in_plant(found: Evaluation, plant: Plant) -> dict[str, Figure]:
    how = {"seed": found.seed, "n_resamples": found.n_resamples}
    labels = np.array([image.label == 1 for image in found.images])
    called = [image.decision == "anomalous" for image in found.images]
    figures = plant_figures(plant, confusion(labels, called), **how)
    if plant.has_costs:
        figures |= least_cost(plant, np.array([image.score for image in found.images]), labels, **how)
    return figures


def _collect(collected: _Collected, sample: LabelledSample, inspection: Inspection, read_mask: ReadMask) -> None:
    label, source = sample.label, inspection.source
    if label not in (0, 1):
        raise InputError(f"{source}: its label is {label!r}; allowed are 0 (normal) and 1 (anomalous).")
    defect = (sample.defect or UNNAMED) if label == 1 else None
    numbers = (float(inspection.score), inspection.decision, float(inspection.p_value))
    image = ScoredImage(source, int(label), defect, *numbers, inspection.caution)
    collected.images.append(image)
    collected.seen.append(Seen(source, int(label), inspection.content))
    if inspection.brightness is not None:
        collected.luminances.setdefault(defect or GOOD, []).append(inspection.brightness)
    collected.prepared.setdefault(defect or GOOD, []).append(luminance(inspection.image))
    uncounted = inspection.uncounted
    collected.ignored_share = 0.0 if uncounted is None else float(uncounted.mean())
    collected.pixels.add(sample, defect or GOOD, inspection, read_mask)
    if label == 0 and inspection.reconstruction is not None and not inspection.shows_similar:
        pair = (whole[_shown(uncounted)] for whole in (inspection.image, inspection.reconstruction))
        collected.errors.append((source, reconstruction_errors(*pair)))


def _shown(uncounted: NDArray[np.bool_] | None) -> tuple[slice, slice]:
    """The rows and columns of an image in which something counts; a frame around it is no part of it."""
    if uncounted is None:
        return np.s_[:, :]
    rows, columns = (np.flatnonzero(~uncounted.all(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _evaluation(collected: _Collected, seed: int, n_resamples: int, aupro_limits: tuple[float, ...]) -> Evaluation:
    images = sorted(collected.images, key=lambda image: image.source)
    scores, labels = [i.score for i in images], [i.label for i in images]
    called, defects = [i.decision == "anomalous" for i in images], [i.defect or "" for i in images]
    rows = defect_figures(scores, labels, called, defects, seed=seed, n_resamples=n_resamples)
    figures, pixels = None, collected.pixels.close()
    if pixels.n_components and pixels.varies:
        figures = pixels.figures(seed=seed, n_resamples=n_resamples, aupro_limits=aupro_limits)
    errors = [error for _, error in sorted(collected.errors)]
    return Evaluation(
        images=tuple(images),
        unreadable=tuple(sorted(collected.unreadable, key=lambda one: one.source)),
        repeats=repeats(collected.seen),
        counts={name: int(n[0]) for name, n in vars(confusion(labels, called)).items()},
        image=image_figures(scores, labels, called, seed=seed, n_resamples=n_resamples),
        per_defect=tuple(rows),
        pixel=figures,
        pixel_reason=None if figures else collected.pixels.reason,
        saturation_file=collected.pixels.saturation_file,
        saturation_reason=collected.pixels.saturation_reason,
        pixel_left_out=collected.pixels.left_out,
        pixel_remarks=collected.pixels.remarks,
        reconstruction=reconstruction_figures(errors) if errors else None,
        reconstruction_reason=None if errors else "no normal image came with a reconstruction in pixels",
        ignored_share=collected.ignored_share,
        luminance=_luminance(collected.luminances, BRIGHTNESS),
        prepared_luminance=_luminance(collected.prepared, PREPARED),
        seed=seed,
        n_resamples=n_resamples,
    )


def _luminance(found: dict[str, list[float]], of: str) -> LuminanceReport:
    kinds = {kind: sorted(found[kind]) for kind in sorted(found)}  # the same whatever the order of the images
    return compare_luminances((GOOD, kinds.pop(GOOD, [])), kinds, of=of)


def _figures_json(figures: dict[str, Figure]) -> dict[str, Any]:
    return {name: figure.to_json() for name, figure in figures.items()}


def _defect_json(row: DefectFigures) -> dict[str, Any]:
    return {"defect": row.defect, "n": row.n, **_figures_json(row.figures)}


def _pixel_json(pixel: PixelFigures) -> dict[str, Any]:
    return {
        "n_images": pixel.n_images,
        "n_components": pixel.n_components,
        "n_regions": pixel.n_regions,
        "metrics": _figures_json(pixel.metrics),
        "best_iou_threshold": pixel.best_iou_threshold,
        "aupimo_of_images": [asdict(one) for one in pixel.aupimo_of_images],
        "pimo_fpr": list(PIMO_FPR),
        "per_defect": [
            {
                "defect": row.defect,
                "n_images": row.n_images,
                "n_components": row.n_components,
                "n_regions": row.n_regions,
            }
            | _figures_json(row.figures)
            for row in pixel.per_defect
        ],
        "n_levels": pixel.n_levels,
    }

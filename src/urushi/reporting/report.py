"""The report: one HTML file that shows what was inspected, worst first, and answers from disk without a network."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
from markupsafe import Markup

from urushi.errors import InputError
from urushi.inspection import Inspection, MapScale, Unreadable
from urushi.reporting.card_words import in_words
from urushi.reporting.gallery import Gallery
from urushi.reporting.heat_map import colour_stops
from urushi.reporting.histogram import bin_edges, lane, score_axis
from urushi.reporting.page import render, to_json, write_whole
from urushi.reporting.picture_folder import PictureFolder
from urushi.reporting.pictures import svg_uri
from urushi.reporting.verdict import verdict

NORMAL_LABEL = "good"  # the name of the normal class in the MVTec layout
FORMAT_VERSION = 1  # of the JSON block


class DetectorFacts(TypedDict):
    """What a report says about the detector that made the decisions."""

    recipe: str
    model: str
    file: NotRequired[str | None]  # that it was loaded from
    n_training_images: int
    threshold: float
    warn_threshold: NotRequired[float | None]  # above it, up to the threshold, an image is unsure
    threshold_explanation: str  # one sentence: how the threshold was chosen
    false_alarm_rate: float | None  # the stated one, in [0, 1]; None where the rule states none
    rate_kind: NotRequired[str]  # what it is worth: guaranteed, approximate, extrapolated or observed
    calibration_scores: Sequence[float] | np.ndarray  # of held-out normal images
    card: Mapping[str, object]  # anything else worth knowing: versions, seed, date, fingerprint


class MetricInterval(TypedDict):
    """A metric and its confidence interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class Evaluation(TypedDict):
    """What an evaluation adds to a report."""

    metrics: Mapping[str, MetricInterval]
    per_defect: Sequence[Mapping[str, object]]  # table rows, all with the same columns
    luminance: Mapping[str, Any]  # groups and warnings, as in `cli/evaluation.schema.json`
    prepared_luminance: NotRequired[Mapping[str, Any]]  # the same of the images as the method saw them
    below_chance: NotRequired[str | None]  # what is to be said of a ROC-AUC below 0.5
    plant: NotRequired[str | None]  # for what plant the figures called so are
    pixel_reason: NotRequired[str | None]  # why there are no pixel figures
    about_images: NotRequired[Mapping[str, Sequence[Mapping[str, str]]]]  # by heading: source and reason of each image


class Report:
    """Collects inspections and writes them as one page; holds pictures of the worst `n_shown` images only.

    `labels` gives the true class by source, 'good' or the name of a defect; `date` is shown as it is. The pictures of
    other images go into `folder`, beside the page to come, if one is given. Raises InputError if a calibration score is
    not finite.
    """

    def __init__(
        self,
        title: str,
        detector: DetectorFacts,
        *,
        labels: Mapping[str, str] | None = None,
        n_shown: int = 100,
        date: str | None = None,
        folder: PictureFolder | None = None,
    ) -> None:
        self._title, self._detector, self._date = title, detector, date
        self._evaluation: Evaluation | None = None
        self._warnings: tuple[str, ...] = ()
        self._plots: dict[str, str] = {}  # data URIs by caption
        self._labels = labels or {}
        self._calibration_scores = [_finite(float(s), "a calibration score") for s in detector["calibration_scores"]]
        self._folder = folder
        self._gallery = Gallery(n_shown, folder)
        self._scale: MapScale | None = None
        self._results: list[str] = []  # as JSON: small, and of a bounded size per image
        self._kinds: set[str | None] = set()  # true classes, and types that the detector names
        self._types: set[str | None] = set()
        self._scores: dict[str, list[float]] = {}  # by group
        self._counts = {"inspected": 0, "normal": 0, "unsure": 0, "anomalous": 0}
        self._outcomes = {"found": 0, "missed": 0, "false alarm": 0, "passed": 0}
        self._unsure = dict.fromkeys(self._outcomes, 0)  # of these; unsure is not called anomalous
        self._unreadable: list[Unreadable] = []

    def add(self, inspection: Inspection) -> None:
        """Add one inspected image; raises InputError if its score is not finite or its map has another scale."""
        _finite(inspection.score, f"the score of {inspection.source!r}")
        self._agree_on(inspection.map_scale)
        label = self._labels.get(inspection.source)
        outcome = _outcome(inspection.decision, label)
        self._counts["inspected"] += 1
        self._counts[inspection.decision] += 1
        if outcome:
            self._outcomes[outcome] += 1
            self._unsure[outcome] += inspection.decision == "unsure"
        self._scores.setdefault(_group(label), []).append(float(inspection.score))
        truth = {} if label is None else {"label": label, "outcome": outcome}
        self._kinds |= {label} - {None}
        self._types |= {inspection.defect_type} - {None}
        self._results.append(to_json(inspection.to_json() | _shown(inspection) | truth))
        self._gallery.offer(inspection, label, outcome)

    def show_masks(self, masks: Mapping[str, Path]) -> None:
        """Draw the contours of true masks, by source, over the pictures of images that are added from now on."""
        self._gallery.masks = masks

    def add_unreadable(self, unreadable: Unreadable) -> None:
        """Add an image that could not be inspected; it is listed with its reason."""
        self._unreadable.append(unreadable)

    def write(
        self,
        path: str | Path,
        *,
        evaluation: Evaluation | None = None,
        plots: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Write the page whole or not at all; raises InputError if the file cannot be written.

        `plots` are SVG documents by caption, shown beside the figures of the evaluation; `warnings` come first.
        """
        self._evaluation, self._warnings = evaluation, tuple(warnings)
        self._plots = {caption: svg_uri(document) for caption, document in (plots or {}).items()}
        if self._folder is not None:
            self._folder.close()
        write_whole(Path(path), render(self._context()))

    def _agree_on(self, scale: MapScale) -> None:
        if self._scale not in (None, scale):
            raise InputError(
                f"Map scale {scale} differs from the {self._scale} of earlier images: write one report per detector."
            )
        self._scale = scale

    def _context(self) -> dict[str, Any]:
        cards = self._gallery.cards()
        return {
            "title": self._title,
            "verdict": verdict(self._counts, self._outcomes, len(self._unreadable)),
            "date": self._date,
            "card": in_words(self._detector["card"]),
            "detector": self._detector,
            "n_calibration": len(self._calibration_scores),
            "evaluation": self._evaluation,
            "plots": self._plots,
            "warnings": self._warnings,
            "counts": self._counts,
            "outcomes": self._outcomes if any(self._outcomes.values()) else None,
            "unsure": self._unsure,
            "unreadable": self._unreadable,
            "cards": cards,
            "longest_px": max((max(card.size) for card in cards), default=0),
            "folder": self._pictures,
            "kinds": sorted(filter(None, self._kinds)),
            "types": sorted(filter(None, self._types)),
            "has_truth": any(card.truth for card in cards),
            "features_only": any(card.reconstruction is None for card in cards),
            "scale": self._scale,
            "colour_stops": colour_stops(),
            **self._histogram(),
            "data": Markup("".join(self._data())),
        }

    @property
    def _pictures(self) -> str | None:
        """The name of the folder with the pictures of images without a card; None where there are none."""
        return self._folder.folder.name if self._folder is not None and self._folder.is_used else None

    def _histogram(self) -> dict[str, Any]:
        threshold, warn = float(self._detector["threshold"]), self._detector.get("warn_threshold")
        inspected = [score for scores in self._scores.values() for score in scores]
        axis = score_axis(self._calibration_scores, inspected, threshold)
        if axis is None:
            return {"axis": None, "lanes": [], "threshold_place": None, "warn_place": None}
        groups = {"Held-out normal images": self._calibration_scores} | dict(sorted(self._scores.items(), reverse=True))
        edges = bin_edges(axis, threshold)
        lanes = [lane(name, scores, axis, edges) for name, scores in groups.items() if scores]
        place = axis.place(threshold) if math.isfinite(threshold) else None
        warn_place = None if warn is None else axis.place(warn)
        return {"axis": axis, "lanes": lanes, "threshold_place": place, "warn_place": warn_place}

    def _data(self) -> Iterator[str]:
        facts = {"format": FORMAT_VERSION, "title": self._title, "date": self._date, "detector": self._detector}
        facts |= {"counts": self._counts | {"unreadable": len(self._unreadable)}, "evaluation": self._evaluation}
        facts["warnings"] = self._warnings
        facts["pictures"] = {"folder": self._pictures} if self._pictures else None
        facts["unreadable"] = [{"source": u.source, "reason": u.reason} for u in self._unreadable]
        yield to_json(facts)[:-1] + ',"results":['
        yield ",\n".join(self._results)
        yield "]}"


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise InputError(f"Expected a finite number as {name}, got {value}: the model or its input is broken.")
    return value


def _shown(inspection: Inspection) -> dict[str, Any]:
    """Which part of the image its pictures show, in px of the original, and how many px of it the model saw."""
    height, width = inspection.image.shape[:2]
    return {"view": inspection.view._asdict(), "seen_size": {"width": width, "height": height}}


def _outcome(decision: str, label: str | None) -> str:
    if label is None:
        return ""
    if label == NORMAL_LABEL:
        return "false alarm" if decision == "anomalous" else "passed"
    return "found" if decision == "anomalous" else "missed"


def _group(label: str | None) -> str:
    if label is None:
        return "Inspected images"
    return "Inspected, good" if label == NORMAL_LABEL else "Inspected, defective"

"""The figures of one recipe on one data set: means over its repeats, with intervals over images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from urushi.calibration import Threshold, build_rule
from urushi.data.samples import GOOD
from urushi.errors import CalibrationError
from urushi.evaluation.image_metrics import image_figures
from urushi.evaluation.resampling import Figure
from urushi.recipe import Part
from urushi.study.records import Failure, Record

IMAGE = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "recall": "recall",
    "false_alarms": "false alarms",
}
PIXEL = {"pixel_roc_auc": "pixel ROC-AUC", "pixel_aupro_0.3": "AUPRO 0.3", "pixel_pr_auc": "pixel PR-AUC"}


@dataclass(frozen=True)
class Cell:
    """A recipe on a data set: what its repeats have given, and those that gave nothing."""

    data: str
    recipe: str
    repeats: int  # that were measured
    figures: dict[str, Figure]  # by the names IMAGE and PIXEL
    by_repeat: tuple[float, ...]  # the ROC-AUC of each
    stated_rate: float | None  # of false alarms, at the recipe's own threshold
    pixel_reason: str | None  # why there are no figures of pixels
    fit_seconds: float | None
    inspection_seconds: float | None  # of one image
    peak_memory: int | None  # of the process that fitted and inspected, in bytes
    failures: tuple[Failure, ...] = ()

    @property
    def reason(self) -> str:
        """Why repeats are missing; empty where none is."""
        return "; ".join(dict.fromkeys(one.reason for one in self.failures))


def cell(data: str, recipe: str, rule: Part, records: Sequence[Record], failures: Sequence[Failure]) -> Cell:
    """Of the records of a recipe on a data set, one for each repeat; none where all have failed."""
    thresholds = [threshold_of(rule, record) for record in records]
    found = [_figures(record, one) for record, one in zip(records, thresholds, strict=True)]
    rates = [one.false_alarm_rate for one in thresholds if one and one.false_alarm_rate is not None]
    return Cell(
        data=data,
        recipe=recipe,
        repeats=len(records),
        figures={name: _mean([one[name] for one in found]) for name in (*IMAGE, *PIXEL)} if found else {},
        by_repeat=tuple(roc_auc(record) for record in records),
        stated_rate=max(rates, default=None),
        pixel_reason=next((one.pixel_reason for one in records if one.pixel_reason), None),
        fit_seconds=_average(record.facts.get("seconds") for record in records),
        inspection_seconds=_average(record.facts.get("inspection_seconds") for record in records),
        peak_memory=max((n for one in records if (n := one.facts.get("peak_memory"))), default=None),
        failures=tuple(failures),
    )


def roc_auc(record: Record) -> float:
    """Of its images, by its first score."""
    scores, labels = first_scores(record), labels_of(record)
    value = image_figures(scores, labels, labels == 1, n_resamples=0)["roc_auc"].value
    return float("nan") if value is None else value


def first_scores(record: Record) -> np.ndarray:
    """(n,) of each test image."""
    return np.array(next(iter(record.scores.values())))


def labels_of(record: Record) -> np.ndarray:
    """(n,) of each test image: 1 = anomalous."""
    return np.asarray(np.array(record.kinds) != GOOD, int)


def threshold_of(rule: Part, record: Record) -> Threshold | None:
    """The recipe's own, from held-out normals alone; None where its rule refuses."""
    try:
        chosen = build_rule(rule, n_defects=0)
        return chosen.fit(np.array(next(iter(record.held_out.values()))), None, groups=record.held_out_groups)
    except CalibrationError:
        return None


def _figures(record: Record, threshold: Threshold | None) -> dict[str, Figure]:
    scores, labels = first_scores(record), labels_of(record)
    called = scores > (np.inf if threshold is None else threshold.value)
    found = image_figures(scores, labels, called)
    found["false_alarms"] = _one_less(found["specificity"])
    if threshold is None:
        found |= dict.fromkeys(("recall", "false_alarms"), Figure(None, reason="the rule gives no threshold"))
    return {name: found[name] for name in IMAGE} | {name: _of_pixels(record, name) for name in PIXEL}


def _of_pixels(record: Record, name: str) -> Figure:
    figure = (record.pixel or {}).get(name.removeprefix("pixel_"))
    return Figure(None, reason=record.pixel_reason) if figure is None else Figure(**figure)


def _one_less(figure: Figure) -> Figure:
    """What is left of it to one."""
    value, high, low = (None if one is None else 1 - one for one in (figure.value, figure.low, figure.high))
    return Figure(value, low, high, figure.reason)


def _mean(figures: Sequence[Figure]) -> Figure:
    """Over repeats; the images are the same in all, so the ends are averaged, too."""
    value, low, high = (_average(getattr(one, end) for one in figures) for end in ("value", "low", "high"))
    return Figure(value, low, high, next((one.reason for one in figures if one.reason), None))


def _average(values: "Iterator[float | None]") -> float | None:
    """None where any of them is missing."""
    found = list(values)
    return None if not found or None in found else float(np.mean(found))  # type: ignore[arg-type]

"""Plots of a study from its records alone; each is yielded with its caption."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.data.samples import GOOD
from urushi.reporting.plots.grouped_bars import grouped_bars_figure
from urushi.reporting.plots.learning_curves import LearningCurves, learning_curves_figure
from urushi.reporting.plots.operating_curves import roc_figure
from urushi.reporting.plots.parameter import parameter_figure
from urushi.study.drawing import ERROR_OF, test_sets
from urushi.study.plan import Study, label_of
from urushi.study.records import Record
from urushi.study.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = Iterator[tuple[str, "Figure"]]
_MOST_CURVES = 7  # more cannot be told apart


def pictures(study: Study, summary: Summary, records: Sequence[Record]) -> Drawn:
    """Every plot that there is something for, data set by data set."""
    for data in study.data:
        own = [record for record in records if record.data == data.name]
        yield from over_values(study, summary, own, data.name)
        yield from over_ratios(study, summary, own, data.name)
        for method in study.compared:
            chosen = [r for r in own if r.method == method.name and r.value == study.chosen(method.name)]
            if chosen:
                yield from _of_method(study, summary, chosen)


def over_values(study: Study, summary: Summary, records: Sequence[Record], data: str) -> Drawn:
    """S2 figs. 6.9 and 6.11, and what becomes of them."""
    if study.vary is None or not all(isinstance(value, int | float) and value > 0 for value in study.vary.values):
        return
    records = [record for record in records if record.value is not None]
    axis: dict[str, Any] = {"x_label": study.vary.label or study.vary.setting, "x_scale": "log2"}
    if not records:
        return
    title = f"{data}: ROC-AUC over {axis['x_label']}"
    yield title, parameter_figure(roc_aucs(study, summary, records, data), y_label="ROC-AUC", title=title, **axis)
    for method in study.methods:
        own = [record for record in records if record.method == method.name]
        if own:
            title = f"{data}, {method.name}: score by kind over {axis['x_label']}"
            label = f"mean {next(iter(own[0].scores))}"
            yield title, parameter_figure(_scores_by_kind(own), y_label=label, title=title, **axis)


def roc_aucs(
    study: Study, summary: Summary, records: Sequence[Record], data: str
) -> dict[str, dict[float, np.ndarray]]:
    """The ROC-AUC of each repeat, by method and value, by the first score of each method."""
    found: dict[str, dict[float, np.ndarray]] = defaultdict(dict)
    for record in records:
        place = (data, record.method, record.value, next(iter(record.scores)), label_of(study.thresholds[0]), None)
        if (values := summary.values.get(place, {}).get("roc_auc")) is not None:
            found[record.method][float(record.value)] = values  # type: ignore[arg-type]
    return found


def _scores_by_kind(records: Sequence[Record]) -> dict[str, dict[float, Any]]:
    """The mean score of each kind in each repeat; of a single repeat the scores of its images."""
    found: dict[str, dict[float, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        scores, kinds = np.array(next(iter(record.scores.values()))), np.array(record.kinds)
        for kind in _ordered(record.kinds):
            found[kind][float(record.value)].append(scores[kinds == kind])  # type: ignore[arg-type]
    return {kind: {value: _repeats(lists) for value, lists in points.items()} for kind, points in found.items()}


def _repeats(lists: list[np.ndarray]) -> np.ndarray:
    return lists[0] if len(lists) == 1 else np.array([scores.mean() for scores in lists])


def over_ratios(study: Study, summary: Summary, records: Sequence[Record], data: str) -> Drawn:
    """S2 fig. 6.14."""
    rule = label_of(study.thresholds[0])
    series: dict[str, dict[float, Any]] = defaultdict(dict)
    for method in {record.method: next(iter(record.scores)) for record in records}.items():
        for ratio in study.anomaly_ratios:
            place = (data, method[0], study.chosen(method[0]), method[1], rule, ratio)
            if (found := summary.values.get(place, {}).get("macro_f1")) is not None:
                series[method[0]][100 * ratio] = found
    if series:
        title = f"{data}: macro F1 over the anomaly ratio"
        yield title, parameter_figure(series, x_label="anomalies (%)", y_label="macro F1", title=title)


def _of_method(study: Study, summary: Summary, records: Sequence[Record]) -> Drawn:
    name = _name(records[0])
    if losses := records[0].losses:
        yield f"{name}: losses", learning_curves_figure(LearningCurves(losses), title=f"{name}: losses")
    yield from of_scores(study, summary, records)


def _name(record: Record) -> str:
    return f"{record.data}, {record.method}" + ("" if record.value is None else f" {record.value}")


def of_scores(study: Study, summary: Summary, records: Sequence[Record]) -> Drawn:
    """One method at one value by all its scores (S2 figs 6.26 and 6.27)."""
    first, kinds, name = records[0], _ordered(records[0].kinds), _name(records[0])
    title = f"{name}: ROC by score, over drawn test sets"
    yield title, roc_figure(_rocs(study, records), title=title)
    rule = label_of(study.thresholds[0])
    places = {score: (first.data, first.method, first.value, score, rule, None) for score in first.scores}
    errors = {
        s: {k: v for k in kinds if (v := summary.values[p].get(f"{ERROR_OF}{k}")) is not None}
        for s, p in places.items()
    }
    if any(errors.values()):
        title = f"{name}: wrong decisions by score"
        yield (
            title,
            grouped_bars_figure(errors, x_label="score", y_label=f"share decided wrongly ({rule})", title=title),
        )


def _rocs(study: Study, records: Sequence[Record]) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Scores and labels of every drawn test set, by score (S2 fig. 6.26)."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for record in records:
        labels = (np.array(record.kinds) != GOOD).astype(int)
        for images in test_sets(study, record):
            for score in list(record.scores)[:_MOST_CURVES]:
                found[score].append((np.array(record.scores[score])[images], labels[images]))
    return found


def _ordered(kinds: Sequence[str]) -> list[str]:
    return sorted(set(kinds), key=lambda kind: (kind != GOOD, kind))

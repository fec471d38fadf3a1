"""The tables of a study, as plain cells: over the varied setting, anomaly ratios, scores, rules, kinds of defects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from urushi.data.samples import GOOD
from urushi.evaluation import MeanError, mean_and_standard_error
from urushi.evaluation.below_chance import MARK, NOTE
from urushi.evaluation.image_metrics import image_figures
from urushi.study.drawing import ERROR_OF
from urushi.study.plan import Baseline, Method, Published, Study, label_of
from urushi.study.records import Record
from urushi.study.summary import Summary
from urushi.study.table import NONE, Table
from urushi.study.verdicts import verdict_table

_FIGURES = {
    "roc_auc": "ROC-AUC",
    "specificity": "specificity",
    "recall": "recall",
    "precision": "precision",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
}


@dataclass(frozen=True)
class _Source:
    """All that tables are made from."""

    study: Study
    summary: Summary
    records: Sequence[Record]

    @property
    def places(self) -> Iterator[tuple[str, str]]:
        """Data set and method, in the order of the study."""
        return ((data.name, one.name) for data in self.study.data for one in self.study.compared)

    @property
    def rules(self) -> list[str]:
        return [label_of(rule) for rule in self.study.thresholds]

    def records_of(self, data: str, method: str) -> list[Record]:
        """At the chosen value."""
        chosen = self.study.chosen(method)
        return [r for r in self.records if (r.data, r.method, r.value) == (data, method, chosen)]

    def scores_of(self, data: str, method: str) -> list[str]:
        """The scores by which a method was measured, the first one first."""
        return next((list(r.scores) for r in self.records if (r.data, r.method) == (data, method)), [])


def tables(study: Study, summary: Summary, records: Sequence[Record]) -> list[Table]:
    """Every table that the study has something for."""
    source = _Source(study, summary, records)
    made = [
        verdict_table(study, summary, records),
        *_over_values(source),
        *_over_ratios(source),
        *_over_scores(source),
        *_over_rules(source),
        _luminances(source),
        _runs(source),
    ]
    return [remarked(table) for table in made if table.rows]


def _over_values(source: _Source) -> Iterator[Table]:
    """S2 table 6.5."""
    study, rule = source.study, source.rules[0]
    varied = study.vary.label or study.vary.setting if study.vary else None
    for data in study.data:
        rows: list[tuple[str, ...]] = []
        for one in study.compared:
            for value in _values(study, data.name, one):
                for score in source.scores_of(data.name, one.name)[:1]:
                    head = (one.name, *((_shown(value),) if study.vary else ()))
                    place = (data.name, one.name, value, score, rule, None)
                    rows += _rows(source, head, place, None, _FIGURES)
        columns = ("method", *((varied,) if varied else ()), *_FIGURES.values())
        note = f"{_first_scores(source, data.name)}, threshold rule {rule}, {study.anomaly_ratio:.0%} anomalies."
        note += f" {varied}: {study.vary.setting}." if study.vary and study.vary.label else ""
        yield Table(f"{data.name}: methods" + (f" over {varied}" if varied else ""), columns, tuple(rows), note)


def _over_ratios(source: _Source) -> Iterator[Table]:
    """S2 table 6.6."""
    study, rule = source.study, source.rules[0]
    for data in study.data if study.anomaly_ratios else ():
        rows: list[tuple[str, ...]] = []
        totals: set[int] = set()
        for method in study.compared:
            for score in source.scores_of(data.name, method.name)[:1]:
                for ratio in study.anomaly_ratios:
                    place = (data.name, method.name, study.chosen(method.name), score, rule, ratio)
                    rows += _rows(source, (_method(study, method.name), f"{ratio:.0%}"), place, None, _FIGURES)
                    totals |= {round(found.mean)} if (found := source.summary.at(place, "n_test")) else set()
        columns = ("method", "anomalies", *_FIGURES.values())
        sizes = ", ".join(map(str, sorted(totals)))
        note = f"{_first_scores(source, data.name)}, threshold rule {rule}, test sets of {sizes} images."
        yield Table(f"{data.name}: over the anomaly ratio", columns, tuple(rows), note)


def _over_scores(source: _Source) -> Iterator[Table]:
    """S2 table 6.7 and fig. 6.27: every score on the same reconstructions."""
    study, rule = source.study, source.rules[0]
    for data in study.data:
        kinds = sorted(
            {kind for r in source.records if r.data == data.name for kind in r.kinds}, key=lambda k: (k != GOOD, k)
        )
        errors = {f"{ERROR_OF}{kind}": f"error: {kind}" for kind in kinds}
        figures = {name: _FIGURES[name] for name in ("roc_auc", "macro_f1", "accuracy")} | errors
        rows: list[tuple[str, ...]] = []
        for method in study.compared:
            for score in source.scores_of(data.name, method.name):
                place = (data.name, method.name, study.chosen(method.name), score, rule, None)
                rows += _rows(source, (_method(study, method.name), score), place, score, figures)
        note = f"*error*: share of a kind decided wrongly. Threshold rule {rule}, {study.anomaly_ratio:.0%} anomalies."
        yield Table(f"{data.name}: scores", ("method", "score", *figures.values()), tuple(rows), note)


def _rows(
    source: _Source, head: tuple[str, ...], place: Any, score: str | None, figures: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """What was measured at a place, and below it what somebody has published of it; `score` as published tables say."""
    if place in source.summary.values:
        yield (*head, *_cells(source, place, figures))
    data, method, value, _, _, ratio = place
    wanted = Published(data=data, method=method, value=value, score=score, ratio=ratio, figures={})
    for one in source.study.published:
        if one.model_copy(update={"figures": {}}) == wanted:
            cells = (_cell(_stated(one.figures[name])) if name in one.figures else "" for name in figures)
            yield (f"{head[0]}, published", *head[1:], *cells)


def _values(study: Study, data: str, one: Method | Baseline) -> list[Any]:
    """Those of a method in order, and those with which only others have published figures."""
    stated = {p.value for p in study.published if (p.data, p.method, p.score, p.ratio) == (data, one.name, None, None)}
    found = set(study.values(one)) | stated
    return sorted(found) if all(isinstance(value, int | float) for value in found) else list(study.values(one))


def _stated(found: tuple[float, ...]) -> MeanError:
    return MeanError(found[0], found[1] if len(found) > 1 else None, 0)


def _first_scores(source: _Source, data: str) -> str:
    """What the figures are of: the score that all methods have first, or of each method its own."""
    found = {score for method in source.study.methods for score in source.scores_of(data, method.name)[:1]}
    return f"Score {found.pop()}" if len(found) == 1 else "First score of each method"


def _over_rules(source: _Source) -> Iterator[Table]:
    study = source.study
    figures = {"threshold": "threshold", **{n: _FIGURES[n] for n in ("recall", "specificity", "precision", "accuracy")}}
    for data in study.data if len(study.thresholds) > 1 else ():
        rows = [
            (
                _method(study, method),
                rule,
                *_cells(source, (name, method, study.chosen(method), score, rule, None), figures),
            )
            for name, method in source.places
            if name == data.name
            for score in source.scores_of(name, method)[:1]
            for rule in source.rules
        ]
        undefined = f"{NONE}: the rule refuses, or the figure is undefined in some test set."
        note = f"{_first_scores(source, data.name)}. {undefined}"
        yield Table(f"{data.name}: threshold rules", ("method", "rule", *figures.values()), tuple(rows), note)


def _luminances(source: _Source) -> Table:
    """S2 fig. 6.16: whether brightness alone, after preprocessing, tells kinds apart."""
    rows = []
    for data, method in source.places:
        for record in source.records_of(data, method)[:1]:
            values, kinds = np.array(record.luminances), np.array(record.kinds)
            for kind in sorted(set(record.kinds), key=lambda k: (k != GOOD, k)):
                mean = mean_and_standard_error(values[kinds == kind])
                rows.append((data, method, kind, str(mean.n), _cell(mean, 4), _auc_beside_good(values, kinds, kind)))
    columns = ("data", "preprocessing of", "kind", "images", "mean brightness", "ROC-AUC of brightness")
    return Table("Brightness", columns, tuple(rows), "Mean level of the test images as the model sees them, 0 … 1.")


def _auc_beside_good(values: np.ndarray, kinds: np.ndarray, kind: str) -> str:
    if kind == GOOD:
        return ""
    chosen = (kinds == GOOD) | (kinds == kind)
    labels = (kinds[chosen] == kind).astype(int)
    found = image_figures(values[chosen], labels, labels == 1, n_resamples=0)["roc_auc"].value
    return NONE if found is None else f"{found:.3f}"


def _runs(source: _Source) -> Table:
    rows = []
    for record in source.records:
        trained = record.facts.get("training")
        good = [e for e, kind in zip(record.errors or (), record.kinds, strict=False) if kind == GOOD]
        rows.append(
            (
                record.data,
                record.method,
                _shown(record.value),
                str(record.seed),
                _sizes(record),
                f"{trained['epochs']} ({trained['best_epoch'] + 1})" if trained else NONE,
                f"{np.mean(good):.6f}" if good else NONE,
                f"{record.facts['seconds']}",
            )
        )
    columns = (
        "data",
        "method",
        "value",
        "repeat",
        "trained / validation / held out",
        "epochs (best)",
        "MSE of good",
        "s",
    )
    return Table("Fits", columns, tuple(rows))


def _sizes(record: Record) -> str:
    n_held_out = len(next(iter(record.held_out.values())))
    return f"{record.facts['n_training']} / {record.facts.get('n_validation', 0)} / {n_held_out}"


def _cells(source: _Source, place: tuple[Any, ...], figures: Iterable[str]) -> tuple[str, ...]:
    return tuple(_figure(name, source.summary.at(place, name)) for name in figures)


def _figure(name: str, found: MeanError | None) -> str:
    is_below = name == "roc_auc" and found is not None and found.mean < 0.5
    return f"{_cell(found)} {MARK}" if is_below else _cell(found)


def remarked(table: Table) -> Table:
    """With a note on what is marked, where something is."""
    if not any(MARK in cell for row in table.rows for cell in row):
        return table
    return replace(table, note=f"{table.note} {NOTE}".strip())


def _cell(found: MeanError | None, digits: int = 3) -> str:
    if found is None:
        return NONE
    error = "" if found.standard_error is None else f" ± {found.standard_error:.{digits}f}"
    return f"{found.mean:.{digits}f}{error}"


def _method(study: Study, name: str) -> str:
    value = study.chosen(name)
    return name if value is None else f"{name}, {value}"


def _shown(value: Any) -> str:
    return NONE if value is None else str(value)

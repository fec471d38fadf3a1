"""The first sentences of a study: which combination ranks best on each data set, and what that is worth."""

from collections.abc import Iterator

from urushi.study.plan import Study, label_of
from urushi.study.summary import Place, Summary

_CHOSEN = "Each highest value was chosen on these test sets themselves, so it is somewhat too high."


def headline(study: Study, summary: Summary) -> str:
    """Names the highest mean ROC-AUC of each data set; empty where none is defined."""
    found = {data.name: list(_ranked(study, summary, data.name)) for data in study.data}
    said = [_highest(name, ranked) for name, ranked in found.items() if ranked]
    return " ".join([*said, _CHOSEN] if any(len(ranked) > 1 for ranked in found.values()) else said)


def _ranked(study: Study, summary: Summary, data: str) -> Iterator[tuple[float, str]]:
    """The mean ROC-AUC of each method, value and score, and its names."""
    rule = label_of(study.thresholds[0])
    for place in summary.values:
        if (place[0], place[4], place[5]) == (data, rule, None) and (figure := summary.at(place, "roc_auc")):
            yield figure.mean, _named(study, place)


def _named(study: Study, place: Place) -> str:
    _, method, value, score, *_ = place
    varied = [f"{study.vary.label or study.vary.setting} = {value}"] if study.vary and value is not None else []
    return ", ".join([method, *varied, f"score {score}"])


def _highest(data: str, ranked: list[tuple[float, str]]) -> str:
    value, named = max(ranked, key=lambda one: one[0])
    of_how_many = f", the highest of {len(ranked)} combinations" if len(ranked) > 1 else ""
    below = "; below 0.5, which guessing gives" if value < 0.5 else ""
    return f"{data}: mean ROC-AUC {value:.3f} by {named}{of_how_many}{below}."

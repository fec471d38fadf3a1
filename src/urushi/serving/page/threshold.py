"""The threshold: scores by verdict, and what another one would do."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import Field

from urushi.calibration import Plant
from urushi.reporting.histogram import Lane, bin_edges, lane
from urushi.serving.messages.fields import Name
from urushi.serving.messages.figures import WhatIfFound
from urushi.serving.page import form as fields
from urushi.serving.page.view import ReviewerView, View
from urushi.serving.review import Recalibration
from urushi.serving.what_if import WhatIf

router = APIRouter(include_in_schema=False)
_LANES = {"of_ng": ("ng",), "of_ok": ("ok",), "of_others": ("unsure", None)}  # verdicts, by their words
_DIGITS = 4  # of interval ends, which are shown with three


class Plants(fields.Form):
    """What decisions cost, as a form says it: what was left empty comes as ''."""

    detector: Name | None = None
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    escape_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    false_alarm_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def plant(self) -> Plant | None:
        """Once all is given."""
        values = (self.prevalence, self.escape_cost, self.false_alarm_cost)
        return None if None in values else Plant(*values)  # type: ignore[arg-type]


@router.get("/threshold")
def threshold(view: ReviewerView, asked: Annotated[Plants, Query()]) -> HTMLResponse:
    """A histogram with a threshold that can be moved; nothing is changed by it."""
    loaded = view.detector(asked.detector)
    found = WhatIf(loaded, view.station.review.seen(loaded, Recalibration()), asked.plant())
    present = loaded.detector.threshold
    lanes = _lanes(view, found)
    return view.page(
        "threshold",
        loaded=loaded,
        names=view.station.detectors.names(),
        asked=asked,
        present=present,
        axis=found.axis,
        lanes=lanes,
        kinds={view.words("of_held_out"): "held-out", view.words("of_ng"): "defective"},
        place=found.axis.place(present.value),
        warn_place=None if present.warn_value is None else found.axis.place(present.warn_value),
        rules=found.rules,
        n_ng=len(found.scores("ng")),
        n_held_out=len(found.held_out),
        data=_data(found),
        words=_words(view),
    )


def _lanes(view: View, found: WhatIf) -> list[Lane]:
    edges = bin_edges(found.axis, found.loaded.detector.threshold.value)
    groups = {"of_held_out": found.held_out} | {key: found.scores(*said) for key, said in _LANES.items()}
    named = ((view.words(key), scores) for key, scores in groups.items())
    return [lane(name, scores.tolist(), found.axis, edges) for name, scores in named if len(scores)]


def _data(found: WhatIf) -> dict[str, Any]:
    figures = WhatIfFound.of(found).model_dump()
    for shares in (one for one in figures.values() if isinstance(one, dict)):
        for end in ("low", "high"):
            shares[end] = [None if value is None else round(value, _DIGITS) for value in shares[end]]
    places = [round(found.axis.place(value), 3) for value in found.thresholds]
    present = int(found.thresholds.searchsorted(found.loaded.detector.threshold.value))
    return {"detector": found.loaded.row.detector, "present": present, "places": places, "figures": figures}


def _words(view: View) -> dict[str, str]:
    """Of the histogram."""
    t = view.words
    return {
        "title": t("histogram"),
        "threshold": t("threshold"),
        "unsure": t("unsure_between"),
        "image": t("image"),
        "images": t("images"),
    }

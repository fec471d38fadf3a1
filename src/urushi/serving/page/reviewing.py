"""Review: what is borderline first, one key per verdict; and what re-calibrating would change, before it is done."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from urushi.calibration import compare_rules
from urushi.errors import InputError
from urushi.serving import history, review
from urushi.serving.disputes import opinions
from urushi.serving.messages.fields import Name, Sentence, Word
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.page import form as fields
from urushi.serving.page.looking import picture
from urushi.serving.page.view import AdminView, ReviewerView, View
from urushi.serving.review import Recalibration
from urushi.serving.versions import Loaded

router = APIRouter(include_in_schema=False)
_OPTIONS = {  # of rules, that the page asks for
    "conformal": ("false_alarm_rate",),
    "fixed": ("value",),
    "least_cost": ("prevalence", "escape_cost", "false_alarm_cost"),
}
_MOST_DISPUTED = 12
_Number = Annotated[float | None, Field(allow_inf_nan=False)]


class Asked(fields.Form):
    """How the threshold is to be chosen anew, as a form says it: what was left empty comes as ''."""

    detector: Name | None = None
    rule: Word | None = None
    value: _Number = None
    false_alarm_rate: _Number = None
    prevalence: _Number = None
    escape_cost: _Number = None
    false_alarm_cost: _Number = None
    counts_reviewed: bool = False

    def recalibration(self, loaded: Loaded) -> Recalibration:
        """As the review takes it; a band of unsure images is kept."""
        given = {name: getattr(self, name) for name in _OPTIONS.get(self.rule or "", ())}
        options = {name: value for name, value in given.items() if value is not None}
        band = loaded.detector.recipe.threshold.options.get("warn_rate")
        kept = {} if band is None else {"warn_rate": band}
        return Recalibration(self.rule, kept | options, counts_reviewed=self.counts_reviewed)

    def kept(self) -> dict[str, Any]:
        """For the form that applies it."""
        return self.model_dump(exclude_none=True, exclude={"detector"})


class Applied(Asked):
    """The same, with the version that was looked at, and why."""

    version: Annotated[int, Field(ge=1)]
    reason: Sentence


@router.get("/review")
def queue(view: ReviewerView, detector: Name | None = None) -> HTMLResponse:
    """One image after the other, the nearest to the threshold first."""
    loaded = view.detector(detector)
    name, found = loaded.row.detector, view.station.review.borderline(loaded, 1)
    n_reviewed, n = view.station.review.progress(loaded)
    return view.page(
        "review",
        detector=name,
        names=view.station.detectors.names(),
        shown=picture(view, found[0]) if found else None,
        data={"detector": name, "n_reviewed": n_reviewed, "n": n, "words": _said(view)},
        defect_types=view.station.gallery.choices(name).defect_types,
        n_reviewed=n_reviewed,
        n=n,
        **_disputed(view, name),
    )


@router.get("/recalibration")
def preview(view: ReviewerView, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """What another threshold would change; nothing is changed."""
    return _preview(view, asked)


@router.post("/recalibration")
def apply(view: AdminView, asked: Annotated[Applied, Form()]) -> Response:
    """The same as a new version."""
    station = view.station
    loaded = station.detectors.version(view.detector(asked.detector).row.detector, asked.version)
    new = station.review.apply(loaded, asked.recalibration(loaded), view.caller_name, asked.reason)
    return RedirectResponse(f"/detectors?detector={new.row.detector}#v{new.row.number}", 303)


def _preview(view: View, asked: Asked) -> HTMLResponse:
    loaded, error, found = view.detector(asked.detector), None, None
    if asked.rule is not None:
        try:
            found = review.plain(view.station.review.preview(loaded, asked.recalibration(loaded)))
        except InputError as refusal:
            error = str(refusal)
    flips = [InspectionFound.of(view.station.history.get(flip["id"])) for flip in (found or {}).get("flips", [])[:12]]
    return view.page(
        "recalibration",
        loaded=loaded,
        names=view.station.detectors.names(),
        asked=asked,
        found=found,
        flips=flips,
        error=error,
        rules=[one.rule for one in compare_rules(loaded.detector.held_out)],
        present=loaded.detector.threshold.to_json(),
    )


def _disputed(view: View, detector: str) -> dict[str, Any]:
    """The last images that people judge differently, and who says what; and whether there are more."""
    rows, following = view.station.history.page(
        history.Query(detector=detector, is_disputed=True), limit=_MOST_DISPUTED
    )
    found = [(InspectionFound.of(row), [history.said(one) for one in opinions(row.verdicts)]) for row in rows]
    return {"disputed": found, "has_more": following is not None}


def _said(view: View) -> dict[str, str]:
    """Words that a script shows."""
    keys = ("verdict_ok", "verdict_ng", "verdict_unsure", "queue_done", "normal", "unsure", "anomalous")
    return {key: view.words(key) for key in keys}

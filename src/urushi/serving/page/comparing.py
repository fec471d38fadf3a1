"""Comparing two versions on the same part of the history: begun, and looked at."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from urushi.errors import NotFoundError
from urushi.reporting.histogram import Axis, score_axis
from urushi.serving import evidence
from urushi.serving.comparisons import MOST_IMAGES, Compared, Pair, Side
from urushi.serving.jobs import Asked
from urushi.serving.messages.fields import Number
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.page import form as fields
from urushi.serving.page.view import AdminView, ReviewerView, View
from urushi.serving.versions import NAME

router = APIRouter(include_in_schema=False)
LIMITS = (50, 200, MOST_IMAGES)
_MOST_SHOWN = 24
_Side = Annotated[int, Field(ge=0, le=1)]
_Which = Annotated[str, Field(pattern=rf"^{NAME}:[1-9]\d{{0,8}}$")]  # of which detector which version


class ComparisonAsked(fields.Form):
    """Two versions, and on which images."""

    first: _Which
    second: _Which
    limit: Annotated[int, Field(ge=1, le=MOST_IMAGES)]
    is_reviewed: bool | None = None

    def asked(self, reason: str) -> Asked:
        """As the jobs take it."""
        (detector, version), against = _version(self.first), _version(self.second)
        more: dict[str, Any] = {"is_reviewed": self.is_reviewed, "limit": self.limit}
        return Asked(kind="compare", detector=detector, version=version, against=against, reason=reason, **more)


@router.post("/detectors/comparisons")
def begin(view: AdminView, asked: Annotated[ComparisonAsked, Form()]) -> Response:
    """As a job."""
    job = asked.asked(f"{asked.first} and {asked.second} on the same images")
    view.station.jobs.begin(job, view.caller_name)
    return RedirectResponse(f"/detectors?detector={job.detector}#jobs", 303)


@router.get("/detectors/comparisons/{number}")
def comparison(number: Number, view: ReviewerView) -> HTMLResponse:
    """What both make of the same images, with the verdicts of now."""
    found = view.station.comparisons.get(number)
    flips = [(pair, _row(view, pair)) for pair in found.flips[:_MOST_SHOWN]]
    return view.page("comparison", number=number, found=found, flips=flips, scatter=_scatter(found))


@router.get("/detectors/comparisons/{number}/{which}/{inspected}.webp")
def picture(number: Number, which: _Side, inspected: Number, view: ReviewerView) -> Response:
    """An image under the heat map of one of both."""
    found = view.station.comparisons.get(number)
    if inspected not in {pair.id for pair in found.pairs}:
        raise NotFoundError(f"inspection {inspected} was not compared")
    side = found.sides[which]
    loaded = view.station.detectors.version(side.detector, side.version)
    original = view.station.history.original(view.station.history.get(inspected))
    content = evidence.thumbnail_of(loaded.detector.inspect(original))
    return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})


def choices(view: View) -> list[tuple[str, int, str]]:
    """All versions of all detectors, with the value that the form has for them."""
    detectors = view.station.detectors
    return [
        (row.detector, row.number, f"{row.detector}:{row.number}")
        for name in detectors.names()
        for row in reversed(detectors.versions(name))
    ]


def _version(which: str) -> tuple[str, int]:
    detector, _, number = which.partition(":")
    return detector, int(number)


def _row(view: View, pair: Pair) -> InspectionFound | None:
    """The inspection, if it is still there."""
    try:
        return InspectionFound.of(view.station.history.get(pair.id))
    except NotFoundError:
        return None


def _scatter(found: Compared) -> dict[str, Any]:
    """Places in per cent of each pair, from the left and from the top, and of both thresholds."""
    first, second = (_axis(side) for side in found.sides)
    (x, left), (y, below) = first, second
    points = [
        {"x": x.place(pair.first.score / left), "y": 100 - y.place(pair.second.score / below), "pair": pair}
        for pair in sorted(found.pairs, key=lambda pair: (pair.verdict is not None, pair.is_flip))
    ]
    limits = [side.threshold / unit for side, (_, unit) in zip(found.sides, (first, second), strict=True)]
    ticks = ([(place, value) for place, value in x.ticks()], [(100 - place, value) for place, value in y.ticks()])
    return {"points": points, "x": x.place(limits[0]), "y": 100 - y.place(limits[1]), "ticks": ticks}


def _axis(side: Side) -> tuple[Axis, float]:
    """And what its scores are divided by: the threshold where that is positive."""
    unit = side.threshold if side.threshold > 0 and math.isfinite(side.threshold) else 1.0
    axis = score_axis([], [one.score / unit for one in side.results], side.threshold / unit)
    assert axis is not None
    return axis, unit

"""The gallery, and one image."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ConfigDict, Field

from urushi.inspection import MapScale
from urushi.serving import evidence, history
from urushi.serving.disputes import is_disputed
from urushi.serving.gallery import Order
from urushi.serving.messages.fields import Number, VerdictKind
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.page import form as fields
from urushi.serving.page.view import InspectorView, ReviewerView
from urushi.serving.tables import LARGEST_ID, Inspected
from urushi.serving.views import GalleryFilters

router = APIRouter(include_in_schema=False)
_ON_A_PAGE = 48
_MOST_CHOSEN = 1000
HOURS = (1, 8, 24, 168)


class Filters(fields.Form, GalleryFilters):
    """What the address of a gallery asks for; a form sends what was left empty as ''."""

    model_config = ConfigDict(extra="ignore")

    cursor: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class Chosen(Filters):
    """Several inspections of a gallery, and one verdict on all of them."""

    id: Annotated[list[Number], Field(min_length=1, max_length=_MOST_CHOSEN)]
    said: VerdictKind

    def back(self) -> dict[str, Any]:
        """Where they were chosen."""
        return Filters.model_validate(dict(self)).model_dump(mode="json", exclude_none=True)


Filtered = Annotated[Filters, Query()]


@router.get("/gallery")
def gallery(view: InspectorView, asked: Filtered) -> HTMLResponse:
    """Worst first, with filters."""
    if asked.order == "worst" and asked.detector is None:  # whose scores can't be compared
        asked = asked.model_copy(update={"detector": view.detector(None).row.detector})
    shown, query = view.station.gallery, asked.query()
    rows, following = shown.page(query, asked.order, after=asked.cursor, limit=_ON_A_PAGE)
    return view.page(
        "gallery",
        found=[InspectionFound.of(row) for row in rows],
        following=following,
        asked=asked,
        choices=shown.choices(asked.detector),
        names=view.station.detectors.names(),
        views=view.station.views.all(view.caller_name),
        hours=HOURS,
        n_unreadable=shown.n_unreadable(query) if asked.order == "worst" and asked.cursor is None else 0,
    )


@router.post("/gallery/verdicts")
def judge(view: ReviewerView, asked: Annotated[Chosen, Form()]) -> Response:
    """The same verdict on all that were chosen, or on none if one of them is not there."""
    station, numbers = view.station, dict.fromkeys(asked.id)
    rows = [station.history.get(number) for number in numbers]
    for row in rows:
        station.review.judge(row.id, asked.said, view.caller_name)
        station.metrics.verdicts.labels(row.detector, asked.said).inc()
    return RedirectResponse(f"/gallery?{urlencode(asked.back())}", 303)


@router.get("/images/{number}")
def image(number: Number, view: InspectorView, asked: Filtered) -> HTMLResponse:
    """One inspection, with the ones before and after it in the same gallery."""
    row = view.station.history.get(number)
    asked = asked.model_copy(update={"detector": asked.detector or row.detector})
    order: Order = "newest" if row.score is None else asked.order
    before, after = view.station.gallery.beside(asked.query(), order, number)
    context: dict[str, Any] = {"one": InspectionFound.of(row), "said": [history.said(one) for one in row.verdicts]}
    context["is_disputed"] = is_disputed(row.verdicts)
    context["defect_types"] = view.station.gallery.choices(row.detector).defect_types
    return view.page("image", asked=asked, before=before, after=after, shown=picture(view, row), **context)


def picture(view: InspectorView, row: Inspected) -> dict[str, Any] | None:
    """Where its layers lie, in pixels of the original; None of an image that could not be read."""
    if row.evidence is None:
        return None
    scale = MapScale(**row.details["map_scale"])
    ends = (scale.in_limits(scale.low), scale.in_limits(scale.high))
    return {
        "id": row.id,
        "size": row.details["original_size"],
        "view": row.details["view"],
        "regions": row.details["regions"],
        "shows_similar": view.station.detectors.shows_similar(row.version),
        "difference_full": evidence.DIFFERENCE_FULL,
        "has_reconstruction": view.station.shown.evidence(row).has_reconstruction,
        "ends": (scale.low, scale.high) if None in ends else ends,
        "in_limits": None not in ends,
        "limit": scale.region_threshold,
    }

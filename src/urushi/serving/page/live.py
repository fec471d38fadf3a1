"""What the line does now: the last part large, those before it, and what the shift counts."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from urushi.serving.counts import counted_now
from urushi.serving.history import Query
from urushi.serving.messages.fields import Name
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.page.view import InspectorView, View

router = APIRouter(include_in_schema=False)
_LAST = 13  # the last one large, the others small


@router.get("/")
def live(view: InspectorView, detector: Name | None = None) -> HTMLResponse:
    """With a full-screen mode."""
    return view.page("live", names=view.station.detectors.names(), **_now(view, detector))


@router.get("/now")
def now(view: InspectorView, detector: Name | None = None) -> HTMLResponse:
    """What of it changes with each part, to be put in its place."""
    return view.page("now", **_now(view, detector))


def _now(view: View, detector: str | None) -> dict[str, Any]:
    name = view.detector(detector).row.detector
    rows, _ = view.station.history.page(Query(detector=name), limit=_LAST)
    return {
        "detector": name,
        "found": [InspectionFound.of(row) for row in rows],
        "counts": counted_now(view.station.database, name),
    }

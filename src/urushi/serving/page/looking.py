"""The gallery, and one image."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime, Field

from urushi.inspection import MapScale
from urushi.serving import history
from urushi.serving.database import now
from urushi.serving.gallery import Order
from urushi.serving.history import Outcome
from urushi.serving.messages import Name, Number, VerdictKind, Word
from urushi.serving.page import form as fields
from urushi.serving.page.view import InspectorView
from urushi.serving.tables import LARGEST_ID, Inspected

router = APIRouter(include_in_schema=False)
_ON_A_PAGE = 48
HOURS = (1, 8, 24, 168)


class Filters(fields.Form):
    """What the address of a gallery asks for; a form sends what was left empty as ''."""

    detector: Name | None = None
    decision: Outcome | None = None
    verdict: VerdictKind | None = None
    defect_type: Word | None = None
    tag: Word | None = None
    hours: Annotated[int, Field(ge=1, le=10_000)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    order: Order = "worst"
    cursor: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None

    def query(self) -> history.Query:
        """As the history takes it."""
        since = self.since if self.hours is None else now() - timedelta(hours=self.hours)
        names = ("detector", "decision", "verdict", "defect_type", "tag", "until")
        return history.Query(since=since, **{name: getattr(self, name) for name in names})

    def kept(self) -> dict[str, Any]:
        """For the addresses of other pages of the same gallery."""
        plain = self.model_dump(mode="json", exclude={"cursor"}, exclude_none=True)
        return {name: value for name, value in plain.items() if (name, value) != ("order", "worst")}


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
        found=[history.plain(row) for row in rows],
        following=following,
        asked=asked,
        choices=shown.choices(),
        names=view.station.detectors.names(),
        hours=HOURS,
        n_unreadable=shown.n_unreadable(query) if asked.order == "worst" and asked.cursor is None else 0,
    )


@router.get("/images/{number}")
def image(number: Number, view: InspectorView, asked: Filtered) -> HTMLResponse:
    """One inspection, with the ones before and after it in the same gallery."""
    row = view.station.history.get(number)
    asked = asked.model_copy(update={"detector": asked.detector or row.detector})
    order: Order = "newest" if row.score is None else asked.order
    before, after = view.station.gallery.beside(asked.query(), order, number)
    context: dict[str, Any] = {"one": history.plain(row), "said": [history.said(one) for one in row.verdicts]}
    context["defect_types"] = view.station.gallery.choices().defect_types
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
        "has_reconstruction": view.station.history.evidence(row).has_reconstruction,
        "ends": (scale.low, scale.high) if None in ends else ends,
        "in_limits": None not in ends,
        "limit": scale.region_threshold,
    }

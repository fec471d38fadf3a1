"""News as they come, and what the present shift counts."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from urushi.serving import history
from urushi.serving.access import Inspecting, Serving
from urushi.serving.counts import counted_now
from urushi.serving.messages.fields import Name as Detector
from urushi.serving.messages.figures import CountsFound, GroupFound
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.routes.detectors import Name
from urushi.serving.routes.streaming import Event, Look, streamed
from urushi.serving.station import Station
from urushi.serving.trends import By
from urushi.serving.trends import trends as grouped

router = APIRouter(prefix="/v1", tags=["news"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"example": 'event: inspection\ndata: {"id": 1}\n\n'}},
        "description": "An event per inspection; its data is what `GET /v1/inspections/ID` gives.",
    }
}


@router.get("/events", response_class=StreamingResponse, responses=_EVENTS, summary="Follow inspections")
def events(
    station: Serving, _caller: Inspecting, detector: Annotated[Detector | None, Query(examples=["part"])] = None
) -> StreamingResponse:
    """Server-sent events from now on, each once it is in the history; who is too slow misses the oldest."""
    return streamed(news(station, detector), station)


@router.get("/detectors/{name}/shift", response_model=CountsFound, summary="Counts of the shift")
def shift(name: Name, station: Serving, _caller: Inspecting) -> Any:
    """Of the shift that its last image named, for twelve hours at most; without one, of the last eight hours."""
    station.detectors.get(name)
    return CountsFound.of(counted_now(station.database, name))


@router.get("/detectors/{name}/trends", response_model=list[GroupFound], summary="Scores, yield and latency over time")
def trends(
    name: Name,
    station: Serving,
    _caller: Inspecting,
    by: By = "hour",
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
) -> Any:
    """In groups by hour, day, shift or station, the last 500 of them; with false alarms among reviewed images."""
    query = history.Query(detector=name, since=since, until=until)
    return [GroupFound.model_validate(one) for one in grouped(station.database, query, by)]


async def news(station: Station, detector: str | None) -> AsyncGenerator[Look]:
    """Inspections from now on, of one detector or of all."""
    with station.announcements.subscribe() as subscription:
        while not subscription.is_closed:
            one = subscription.next(0)
            if one is None:
                yield None
            elif one.kind == "inspection" and detector in (None, one.content.get("detector")):
                yield Event(one.kind, InspectionFound.model_validate(one.content).model_dump_json())

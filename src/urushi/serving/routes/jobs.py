"""Jobs: begun, followed, ended."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from urushi.serving.access import Administering, Reviewing, Serving
from urushi.serving.history import PAGE
from urushi.serving.jobs import ENDED
from urushi.serving.messages.comparison import ComparisonFound
from urushi.serving.messages.fields import Number
from urushi.serving.messages.jobs import JobAsked, JobFound
from urushi.serving.routes.streaming import Event, Look, streamed
from urushi.serving.station import Station

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"example": 'event: running\ndata: {"id": 1, "state": "running"}\n\n'}},
        "description": "An event per change, named by the state; its data is the job.",
    }
}


@router.post("", status_code=202, response_model=JobFound, summary="Begin a job")
def begin(asked: JobAsked, station: Serving, caller: Administering) -> Any:
    """Jobs are done one after the other; what one makes is a version that decides from then on, and needs PyTorch.

    A comparison makes none, and needs it for versions alone that were not exported.
    """
    return JobFound.of(station.jobs.begin(asked.asked(), caller.name))


@router.get("", response_model=list[JobFound], summary="The last jobs")
def jobs(station: Serving, _caller: Reviewing, limit: Annotated[int, Query(ge=1, le=500)] = PAGE) -> Any:
    """Last first."""
    return [JobFound.of(job) for job in station.jobs.all(limit)]


@router.get("/{number}", response_model=JobFound, summary="One job")
def job(number: Number, station: Serving, _caller: Reviewing) -> Any:
    """As it stands."""
    return JobFound.of(station.jobs.get(number))


@router.post("/{number}/cancellation", response_model=JobFound, summary="End a job")
def cancel(number: Number, station: Serving, caller: Administering) -> Any:
    """It and its processes are ended; 409 if it has ended by itself."""
    return JobFound.of(station.jobs.cancel(number, caller.name))


@router.get("/{number}/comparison", response_model=ComparisonFound, summary="What a comparison has found")
def comparison(number: Number, station: Serving, _caller: Reviewing) -> Any:
    """Of two versions on the same images; false alarms and escapes by the verdicts of now."""
    return ComparisonFound.of(station.comparisons.get(number))


@router.get("/{number}/events", response_class=StreamingResponse, responses=_EVENTS, summary="Follow a job")
def events(number: Number, station: Serving, _caller: Reviewing) -> StreamingResponse:
    """Server-sent events, until the job or the station has ended."""
    station.jobs.get(number)
    return streamed(_changes(station, number), station)


async def _changes(station: Station, number: int) -> AsyncGenerator[Look]:
    """Once it has ended, no more."""
    last = ""
    while True:
        found = await run_in_threadpool(station.jobs.get, number)
        data = JobFound.of(found).model_dump_json()
        yield Event(found.state, data) if data != last else None
        last = data
        if found.state in ENDED:
            return

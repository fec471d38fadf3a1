"""The station over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from urushi import __version__
from urushi.serving import problems
from urushi.serving.guard import Guard
from urushi.serving.page import comparing, entrance, files, first_look, live, looking, reviewing, threshold, trends
from urushi.serving.page import detectors as detectors_page
from urushi.serving.page import drift as drift_page
from urushi.serving.page import teaching as teaching_page
from urushi.serving.page import views as views_page
from urushi.serving.routes import cameras, detectors, events, inspections, jobs, operation, review, teaching, views
from urushi.serving.station import Station

_API = (inspections, views, cameras, detectors, review, teaching, jobs, events, operation)
_PAGES = (
    entrance,
    files,
    live,
    looking,
    reviewing,
    threshold,
    comparing,
    detectors_page,
    trends,
    drift_page,
    teaching_page,
    first_look,
    views_page,
)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": problems.Problem, "content": {problems.MEDIA_TYPE: {}}, "description": words}
    for status, words in {
        401: "No token, or a wrong one.",
        403: "The role of the token does not allow it.",
        404: "What is named is not there.",
        413: "Larger than the station takes.",
        422: "Something in the request is wrong.",
        429: "As much as may wait is waiting, or too many wrong tokens came: see Retry-After.",
        507: "The disk is full; nothing was kept.",
    }.items()
}


def create(station: Station, *, is_tls: bool = False) -> FastAPI:
    """The application; the station is closed when it ends, once all that was accepted is answered."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(app.state.station.close)

    app = FastAPI(
        title="Urushi station",
        version=__version__,
        summary="Inspects images of parts, and keeps the record.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=_REFUSALS,
    )
    app.state.station = station
    app.add_middleware(Guard, is_tls=is_tls)
    problems.add_handlers(app, entrance.presented)
    for part in (*_API, *_PAGES):
        app.include_router(part.router)
    return app

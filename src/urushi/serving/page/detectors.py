"""Detectors: what they are, which version decides, and files of them; and the jobs that make new ones."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from urushi.errors import ConflictError
from urushi.reporting.card_words import in_words
from urushi.runtime.names import Engine
from urushi.serving.jobs import ENDED, Asked
from urushi.serving.messages.fields import Name, Number, Sentence
from urushi.serving.messages.jobs import JobFound
from urushi.serving.page import comparing
from urushi.serving.page.form import own
from urushi.serving.page.view import AdminView, InspectorView, View

router = APIRouter(include_in_schema=False)
_LAST_JOBS = 10


class Switched(BaseModel):
    """Which version is to decide, and why."""

    model_config = ConfigDict(extra="ignore")

    detector: Name
    number: Annotated[int, Field(ge=1)]
    reason: Sentence


class Exported(BaseModel):
    """What the present version is to be exported for."""

    model_config = ConfigDict(extra="ignore")

    detector: Name
    to: Engine = "onnx"
    reason: Sentence


@router.get("/detectors")
def detectors(view: InspectorView, detector: Name | None = None) -> HTMLResponse:
    """One of them with all its versions."""
    loaded = view.detector(detector)
    versions = view.station.detectors.versions(loaded.row.detector)
    return view.page(
        "detectors",
        loaded=loaded,
        names=view.station.detectors.names(),
        versions=versions[::-1],
        card=in_words(loaded.detector.card),
        comparable=comparing.choices(view),
        limits=comparing.LIMITS,
        explanation=loaded.detector.threshold.explanation,
        **jobs(view),
    )


@router.post("/detectors/current")
def switch(view: AdminView, asked: Annotated[Switched, Form()]) -> Response:
    """Another version decides from the next image on."""
    view.station.detectors.switch(asked.detector, asked.number, view.caller_name, asked.reason)
    return RedirectResponse(f"/detectors?detector={asked.detector}#v{asked.number}", 303)


@router.post("/detectors/export")
def export(view: AdminView, asked: Annotated[Exported, Form()]) -> Response:
    """Begins a job."""
    job = Asked(kind="export", detector=asked.detector, to=asked.to, reason=asked.reason)
    view.station.jobs.begin(job, view.caller_name)
    return RedirectResponse(f"/detectors?detector={asked.detector}#jobs", 303)


@router.post("/jobs/{number}/cancellation")
def cancel(number: Number, view: AdminView, next: Annotated[str, Form(max_length=2000)] = "/detectors") -> Response:
    """Ends a job; one that has ended meanwhile stays as it is."""
    with suppress(ConflictError):
        view.station.jobs.cancel(number, view.caller_name)
    return RedirectResponse(own(next), 303)


def jobs(view: View) -> dict[str, Any]:
    """The last jobs, and which of them go on, for who may see them."""
    found = [JobFound.of(one) for one in view.station.jobs.all(_LAST_JOBS)] if view.may("review") else []
    states = {state: view.words(f"state_{state}") for state in ("waiting", "running", *ENDED)}
    running = [one.id for one in found if one.state not in ENDED]
    return {"jobs": found, "data": {"jobs": running, "states": states, "ended": ENDED, "left": view.words("time_left")}}

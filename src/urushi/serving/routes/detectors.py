"""Detectors: what they are, what other thresholds would do, and which version decides."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import Field

from urushi.calibration import compare_rules
from urushi.serving.access import Administering, Inspecting, Reviewing, Serving
from urushi.serving.messages.detectors import (
    AcknowledgeAsked,
    DetectorFound,
    DriftFound,
    RuleFound,
    SwitchAsked,
    VersionFound,
)
from urushi.serving.versions import NAME, Loaded

router = APIRouter(prefix="/v1/detectors", tags=["detectors"])

Name = Annotated[str, InPath(pattern=f"^{NAME}$", examples=["part"])]


Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


@router.get("", response_model=list[DetectorFound], summary="All detectors")
def detectors(station: Serving, _caller: Inspecting) -> Any:
    """By their names."""
    return [found(station.detectors.get(name)) for name in station.detectors.names()]


@router.get("/{name}", response_model=DetectorFound, summary="One detector")
def detector(name: Name, station: Serving, _caller: Inspecting) -> Any:
    """With its card and threshold, as it decides now."""
    return found(station.detectors.get(name))


@router.get("/{name}/rules", response_model=list[RuleFound], summary="What every threshold rule would do")
def rules(name: Name, station: Serving, _caller: Inspecting) -> Any:
    """On the scores of held-out normals; nothing is changed."""
    return [outcome.to_json() for outcome in compare_rules(station.detectors.get(name).detector.held_out)]


@router.get("/{name}/versions", response_model=list[VersionFound], summary="Its versions")
def versions(name: Name, station: Serving, _caller: Inspecting) -> Any:
    """From the first to the last; all are kept."""
    current = station.detectors.deciding(name)
    return [VersionFound.of(row, current) for row in station.detectors.versions(name)]


@router.get(
    "/{name}/versions/{number}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The detector file."}},
    summary="The file of a version",
)
def file(name: Name, number: Number, station: Serving, _caller: Reviewing) -> FileResponse:
    """As `urushi inspect` takes it."""
    place, kept_as = station.detectors.file(name, number), f"{name}-v{number}.urushi"
    return FileResponse(place, media_type="application/octet-stream", filename=kept_as)


@router.put("/{name}/current", response_model=DetectorFound, summary="Switch to a version")
def switch(name: Name, asked: SwitchAsked, station: Serving, caller: Administering) -> Any:
    """It decides from the next image on; the audit trail keeps who did it and why."""
    return found(station.detectors.switch(name, asked.number, caller.name, asked.reason))


@router.get("/{name}/drift", response_model=DriftFound, summary="Whether what is normal has moved")
def drift(name: Name, station: Serving, _caller: Inspecting) -> Any:
    """Scores of normal images, their light and sharpness, by a test with a stated rate of false alarms."""
    return station.monitors.found(station.detectors.get(name))


@router.post("/{name}/drift/acknowledgement", response_model=DriftFound, summary="Acknowledge an alarm of drift")
def acknowledge(name: Name, asked: AcknowledgeAsked, station: Serving, caller: Administering) -> Any:
    """Begins the test anew; 409 where no alarm stands."""
    loaded = station.detectors.get(name)
    station.monitors.acknowledge(loaded, caller.name, asked.reason, asked.reference)
    return station.monitors.found(loaded)


def found(loaded: Loaded) -> dict[str, Any]:
    """A version as the API gives it."""
    detector = loaded.detector
    facts = {"threshold": detector.threshold.to_json(), "card": detector.card}
    return {"name": loaded.row.detector, "version": loaded.row.number, "runs_in": detector.backend.description, **facts}

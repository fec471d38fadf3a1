"""Cameras: which there are, and a picture taken now."""

from typing import Any

from fastapi import APIRouter

from urushi.errors import ConflictError, NotFoundError
from urushi.serving import history
from urushi.serving.access import Inspecting, Serving
from urushi.serving.messages.inspections import CameraFound, InspectionFound, Triggered
from urushi.serving.problems import MEDIA_TYPE, Problem

router = APIRouter(prefix="/v1/cameras", tags=["cameras"])

_NO_PICTURE: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "It takes pictures by itself."},
    503: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "The camera gives no picture now."},
}


@router.get("", response_model=list[CameraFound], summary="All cameras")
def cameras(station: Serving, _caller: Inspecting) -> Any:
    """By name."""
    names = CameraFound.model_fields
    return [{name: getattr(one, name) for name in names} for _, one in sorted(station.cameras.items())]


@router.post(
    "/{name}/inspections", status_code=201, response_model=InspectionFound, responses=_NO_PICTURE, summary="Trigger"
)
def trigger(name: str, asked: Triggered, station: Serving, caller: Inspecting) -> Any:
    """Takes a picture and inspects it; an `id` that came before gives the result that it had then."""
    if (camera := station.cameras.get(name)) is None:
        raise NotFoundError(f"there is no camera {name!r}")
    if not camera.is_triggered:
        raise ConflictError(f"the camera {name!r} takes pictures by itself; its settings have every_frames or seconds")
    return history.plain(station.history.get(camera.inspect(asked, caller.name)))

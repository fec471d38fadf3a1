"""Images to learn from, brought by people: checked, kept for a week, and looked at before anything is fitted."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool

from urushi.serving.access import Administering, Serving
from urushi.serving.teaching.sets import ID, TeachingSet
from urushi.serving.uploads import brought

router = APIRouter(prefix="/v1/teaching", tags=["teaching"])

Id = Annotated[str, InPath(pattern=f"^{ID}$", examples=["0123456789abcdef0123456789abcdef"])]
_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "required": ["image"], "properties": {"image": {"type": "array", "items": _BINARY}}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Good images, or one zip of them, in form fields `image`; or a zip as the body.",
        "content": {"multipart/form-data": {"schema": _FORM}, "application/zip": {"schema": _BINARY}},
    }
}


@router.post("", status_code=201, response_model=TeachingSet, openapi_extra=_BODY, summary="Bring good images")
async def begin(request: Request, station: Serving, caller: Administering) -> Any:
    """They are a new set, which is kept for a week. Each is decoded: what cannot be read is listed, and not learnt."""
    files = await brought(request, station.objects, station.limits)
    return await run_in_threadpool(station.teaching.begin, caller.name, files)


@router.post("/{number}/images", response_model=TeachingSet, openapi_extra=_BODY, summary="Bring more images of a set")
async def add(number: Id, request: Request, station: Serving, caller: Administering) -> Any:
    """All of this request or none; a set has a largest number of files and of bytes."""
    files = await brought(request, station.objects, station.limits)
    return await run_in_threadpool(station.teaching.add, number, caller.name, files)


@router.get("", response_model=list[TeachingSet], summary="All sets of images to learn from")
def sets(station: Serving, _caller: Administering) -> Any:
    """Last first."""
    return station.teaching.all()


@router.get("/{number}", response_model=TeachingSet, summary="One set")
def one(number: Id, station: Serving, _caller: Administering) -> Any:
    """With the names of its images."""
    return station.teaching.get(number)


@router.get("/{number}/findings", response_model=dict[str, Any], summary="What is odd about a set")
def findings(number: Id, station: Serving, _caller: Administering) -> Any:
    """Numbers, sizes, brightness, copies and near duplicates, as `urushi doctor` finds them."""
    return station.teaching.findings(number)


@router.delete("/{number}", response_model=TeachingSet, summary="Remove a set")
def remove(number: Id, station: Serving, caller: Administering) -> Any:
    """Its images, too; gives what it was. Detectors that have learnt them stay."""
    return station.teaching.remove(number, caller.name)

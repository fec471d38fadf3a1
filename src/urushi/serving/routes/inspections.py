"""Inspections: images in, decisions out, and both found again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from urushi.data.images import read_image
from urushi.data.writing import png
from urushi.errors import InputError, OvertimeError
from urushi.serving import evidence, history
from urushi.serving.access import Inspecting, Serving
from urushi.serving.gallery import Order
from urushi.serving.history import PAGE, About, Outcome, Received
from urushi.serving.inspecting import Task
from urushi.serving.messages.fields import Number, VerdictKind, Word
from urushi.serving.messages.inspections import AboutImage, InspectionFound, InspectionPage
from urushi.serving.problems import MEDIA_TYPE, Problem, answer
from urushi.serving.routes.detectors import Name
from urushi.serving.sending import Sending
from urushi.serving.station import Station
from urushi.serving.tables import LARGEST_ID, Inspected
from urushi.serving.uploads import received
from urushi.serving.versions import Loaded

router = APIRouter(prefix="/v1", tags=["inspections"])

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "The picture."}}
_WEBP: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}, "description": "The picture."}}
_FOR_GOOD = {"Cache-Control": "private, max-age=86400, immutable"}  # pictures of an inspection never change
_FIELDS = AboutImage.model_json_schema()["properties"]
_FORM = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
        **{name: schema for name, schema in _FIELDS.items() if name != "tags"},
        "tag": _FIELDS["tags"],
    },
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Images in form fields `image`, or one image as the body, with the other fields as query.",
        "content": {"multipart/form-data": {"schema": _FORM}, "image/*": _BINARY, "application/octet-stream": _BINARY},
    }
}
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=100,
        pattern=r"^[!-~]+$",
        description="Of this request alone, such as a random UUID.",
        examples=["0b1f7a52-6a0e-4c1d-9f0e-2d6f6a6b7c11"],
    ),
]
_UNREADABLE = {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "None of the images could be read."}


@router.post(
    "/detectors/{name}/inspections",
    status_code=201,
    response_model=list[InspectionFound],
    responses={422: _UNREADABLE},
    openapi_extra=_BODY,
    summary="Inspect images",
)
async def inspect(
    name: Name, request: Request, station: Serving, caller: Inspecting, idempotency_key: Key = None
) -> Any:
    """One result per image, in their order; it is in the history once it is answered.

    An image that cannot be read has the decision *unreadable* and a reason; if none can, the answer is 422. A request
    that comes again with the same key and content gets the same answer, and adds nothing; with other content, 422.
    """
    if (loaded := station.detectors.known(name)) is None:
        loaded = await asyncio.to_thread(station.detectors.get, name)
    images, sent = await received(request, station.objects, station.limits)
    about = About(caller.name, **sent.model_dump())
    try:
        if idempotency_key is None:
            rows = await _answers(station, station.inspector.accept(loaded, images, about))
        else:
            rows = await _answered_once(station, loaded, images, about, idempotency_key)
    except BaseException:
        for image in images:
            history.forget(image)
        raise
    found = [history.plain(row) for row in rows]
    if all(row.decision == "unreadable" for row in rows):
        reasons = "; ".join(f"{one['source']}: {one['reason']}" for one in found)
        return answer("unreadable-image", 422, reasons, inspections=[one["id"] for one in found])
    return found


async def _answered_once(
    station: Station, loaded: Loaded, images: list[Received], about: About, key: str
) -> list[Inspected]:
    """Those that are recorded already, and the others inspected now."""
    async with station.sendings.turn(about.author, key):
        images = await asyncio.to_thread(lambda: [image.on_disk() for image in images])
        sending = await asyncio.to_thread(Sending.of, key, loaded.row.detector, images, about)
        present = await asyncio.to_thread(station.sendings.answered, sending)
        missing = [place for place in range(len(images)) if place not in present]
        also = [[partial(station.sendings.note, sending=sending, position=place)] for place in missing]
        tasks = station.inspector.accept(loaded, [images[place] for place in missing], about, also)
        new = dict(zip(missing, await _answers(station, tasks), strict=True))
    for place in present:
        history.forget(images[place])
    return [row for _, row in sorted({**present, **new}.items())]


async def _answers(station: Station, tasks: list[Task]) -> list[Inspected]:
    """Raises OvertimeError, and whatever kept a result from being recorded."""
    if not tasks:
        return []
    waiting = [asyncio.wrap_future(task.future) for task in tasks]
    seconds = station.limits.seconds_per_image * len(tasks)
    _, late = await asyncio.wait(waiting, timeout=seconds)
    if late:
        station.inspector.give_up([task for task, future in zip(tasks, waiting, strict=True) if future in late])
        for future in late:
            future.add_done_callback(_looked_at)
        raise OvertimeError(f"took longer than {seconds:g} s; what is not recorded by now was given up")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Inspected)]


def _looked_at(future: "asyncio.Future[Inspected]") -> None:
    if not future.cancelled():
        future.exception()


@router.get("/inspections", response_model=InspectionPage, summary="Find inspections")
def find(
    station: Serving,
    _caller: Inspecting,
    detector: Annotated[Word | None, Query(examples=["part"])] = None,
    decision: Annotated[Outcome | None, Query(examples=["anomalous"])] = None,
    tag: Annotated[Word | None, Query(examples=["night"])] = None,
    part_id: Word | None = None,
    serial: Word | None = None,
    since: Annotated[datetime | None, Query(description="From this time on; without a zone, in UTC.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time.")] = None,
    min_score: Annotated[float | None, Field(allow_inf_nan=False)] = None,
    max_score: Annotated[float | None, Field(allow_inf_nan=False)] = None,
    is_reviewed: bool | None = None,
    verdict: VerdictKind | None = None,
    defect_type: Annotated[Word | None, Query(description="That of its last verdict.", examples=["crack"])] = None,
    is_disputed: Annotated[
        bool | None,
        Query(description="OK stands against NG, and no more than half of the people agree with the last of them."),
    ] = None,
    order: Annotated[Order, Query(description="Worst first leaves out what could not be read.")] = "newest",
    cursor: Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = PAGE,
) -> Any:
    """Last first, or highest score first; all conditions hold at once."""
    query = history.Query(
        detector=detector,
        decision=decision,
        tag=tag,
        part_id=part_id,
        serial=serial,
        since=_in_utc(since),
        until=_in_utc(until),
        min_score=min_score,
        max_score=max_score,
        is_reviewed=is_reviewed,
        verdict=verdict,
        defect_type=defect_type,
        is_disputed=is_disputed,
    )
    rows, following = station.gallery.page(query, order, after=cursor, limit=limit)
    return {"items": [history.plain(row) for row in rows], "next": following}


@router.get("/inspections/{number}", response_model=InspectionFound, summary="One inspection")
def one(number: Number, station: Serving, _caller: Inspecting) -> Any:
    """By its id."""
    return history.plain(station.history.get(number))


@router.get("/inspections/{number}/map.png", response_class=Response, responses=_PNG, summary="Its heat map")
def heat_map(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """On the fixed scale of its detector, transparent where it is dark, in the size that the model saw."""
    return _of_evidence(station, number, evidence.map_png)


@router.get("/inspections/{number}/overlay.png", response_class=Response, responses=_PNG, summary="Its overlay")
def overlay(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """The image, as the model saw it, under its heat map, with boxes round its regions."""
    return _of_evidence(station, number, evidence.overlay_png)


@router.get(
    "/inspections/{number}/thumbnail.webp", response_class=Response, responses=_WEBP, summary="Its overlay, small"
)
def thumbnail(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """As its overlay, of 240 px and 12 kB at most; a browser may keep it, since it never changes."""
    row = station.history.get(number)
    content = evidence.thumbnail(station.history.evidence(row), row.details)
    return Response(content, media_type="image/webp", headers=_FOR_GOOD)


@router.get(
    "/inspections/{number}/reconstruction.png", response_class=Response, responses=_PNG, summary="Its reconstruction"
)
def reconstruction(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """Or the most similar good image; 404 where the method shows neither."""
    return _of_evidence(station, number, evidence.reconstruction_png)


@router.get("/inspections/{number}/seen.png", response_class=Response, responses=_PNG, summary="What the model saw")
def seen(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """Of the image, once it was prepared."""
    return _of_evidence(station, number, evidence.seen_png)


@router.get("/inspections/{number}/difference.png", response_class=Response, responses=_PNG, summary="Its difference")
def difference(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """From its reconstruction, or the most similar good image: the largest of all channels, as the model saw them.

    One scale for all: black where they are equal, white from 25 % of full scale on. 404 where the method shows neither.
    """
    return _of_evidence(station, number, evidence.difference_png)


@router.get("/inspections/{number}/original.png", response_class=Response, responses=_PNG, summary="Its image")
def original(number: Number, station: Serving, _caller: Inspecting) -> Response:
    """As it came, decoded upright, in its own depth of 8 or 16 bits."""
    path: Path = station.history.original(station.history.get(number))
    return Response(png(read_image(path)), media_type="image/png", headers=_FOR_GOOD)


def _of_evidence(station: Station, number: int, draw: Callable[[evidence.Evidence, dict[str, Any]], bytes]) -> Response:
    row = station.history.get(number)
    return Response(draw(station.shown.evidence(row), row.details), media_type="image/png", headers=_FOR_GOOD)


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InputError("a time lies between the years 1 and 9999") from None

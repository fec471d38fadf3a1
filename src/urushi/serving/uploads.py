"""Images out of a request: parts of a form, or its body as it is."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from urushi.data.images import IMAGE_SUFFIXES
from urushi.errors import InputError, TooLargeError
from urushi.printable import counted, printable
from urushi.serving.history import Received, forget
from urushi.serving.messages.inspections import AboutImage
from urushi.serving.objects import Objects
from urushi.serving.settings import Limits

_FORM, _ZIP = "multipart/form-data", "application/zip"
_MOST_FIELD_BYTES = 16_384
_PIECE = 1 << 20
_MOST_NAME = 255


async def received(request: Request, objects: Objects, limits: Limits) -> tuple[list[Received], AboutImage]:
    """The images on the disk, and what came with them; raises InputError, TooLargeError, ValidationError."""
    if _kind(request) != _FORM:
        return await _raw(request, objects)
    how: dict[str, Any] = {"max_files": limits.images_per_request + 1, "max_fields": limits.fields_per_request}
    async with request.form(**how, max_part_size=_MOST_FIELD_BYTES) as form:
        parts = form.multi_items()
        about = _about([(name, value) for name, value in parts if isinstance(value, str)])
        files = [value for name, value in parts if isinstance(value, UploadFile) and name == "image"]
        if not files or len(files) < sum(isinstance(value, UploadFile) for _, value in parts):
            raise InputError("a form has its images in file fields named 'image', at least one, and no other files")
        if len(files) > limits.images_per_request:
            raise TooLargeError(f"a request has at most {counted(limits.images_per_request, 'image')}; send the others")
        return await run_in_threadpool(_stored, objects, files), about


async def brought(request: Request, objects: Objects, limits: Limits) -> list[Received]:
    """Images to learn from, of a form, or a zip of them that is the body; raises InputError, TooLargeError."""
    kind = _kind(request)
    if kind == _ZIP:
        zipped = await _written(request, Received(objects.incoming_place(".zip"), "body.zip"))
        return [await run_in_threadpool(zipped.on_disk)]
    if kind != _FORM:
        raise InputError("send a form with images in file fields named 'image', or a zip as the body (application/zip)")
    how: dict[str, Any] = {"max_files": limits.teaching_images, "max_fields": limits.fields_per_request}
    async with request.form(**how, max_part_size=_MOST_FIELD_BYTES) as form:
        parts = [value for name, value in form.multi_items() if name == "image"]
        files = [value for value in parts if isinstance(value, UploadFile) and value.filename]
        if not files:
            raise InputError("a form has its images, or one zip of them, in file fields named 'image'")
        return await run_in_threadpool(_stored, objects, files)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _stored(objects: Objects, files: list[UploadFile]) -> list[Received]:
    found: list[Received] = []
    try:
        for file in files:
            name = file.filename or "image"
            found.append(Received(objects.receive(file.file, _suffix(name)), _source(name)))
    except BaseException:
        for one in found:
            forget(one)
        raise
    return found


async def _raw(request: Request, objects: Objects) -> tuple[list[Received], AboutImage]:
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "source"]
    about, name = _about(query), request.query_params.get("source", "image")
    return [await _written(request, Received(objects.incoming_place(_suffix(name)), _source(name)))], about


async def _written(request: Request, to: Received) -> Received:
    """The body, as it comes; what is little is left to whoever needs it on the disk."""
    try:
        async for piece in request.stream():
            to = replace(to, rest=(*to.rest, piece))
            if sum(map(len, to.rest)) >= _PIECE:
                to = await run_in_threadpool(to.on_disk)
    except BaseException:
        forget(to)
        raise
    return to if to.rest or to.path.exists() else replace(to, rest=(b"",))


def _about(fields: list[tuple[str, str]]) -> AboutImage:
    """`tag` may come several times, the others once."""
    values: dict[str, Any] = {"tags": [value for name, value in fields if name == "tag"]}
    for name, value in fields:
        if name in values and name != "tag":
            raise InputError(f"{printable(name)[:40]!r} came twice; give it once")
        values |= {name: value} if name != "tag" else {}
    return AboutImage.model_validate(values)


def _suffix(name: str) -> str:
    """Old DICOM files say what they are by it alone."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in IMAGE_SUFFIXES else ""


def _source(name: str) -> str:
    return printable(name)[-_MOST_NAME:]

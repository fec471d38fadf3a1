"""Errors as problem details (RFC 9457): what came, what is allowed, what to do."""

import errno
import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from urushi.errors import (
    AccessError,
    BusyError,
    CameraError,
    ConflictError,
    InputError,
    MissingPackageError,
    NotFoundError,
    OvertimeError,
    TooLargeError,
    UnreadableImageError,
    UrushiError,
)
from urushi.printable import printable

MEDIA_TYPE = "application/problem+json"
_MOST_CHARACTERS = 1000
_POSTGRESQL_FULL = "53100"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_STATUSES: tuple[tuple[type[UrushiError], int, str], ...] = (  # the first that fits
    (NotFoundError, 404, "not-found"),
    (ConflictError, 409, "conflict"),
    (TooLargeError, 413, "too-large"),
    (BusyError, 429, "busy"),
    (OvertimeError, 504, "overtime"),
    (CameraError, 503, "no-picture"),
    (MissingPackageError, 501, "missing-package"),
    (UnreadableImageError, 422, "unreadable-image"),
    (InputError, 422, "bad-input"),
)


class Problem(BaseModel):
    """What was wrong with a request, and what to do."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "urn:urushi:problem:not-found",
                "title": "Not found",
                "status": 404,
                "detail": "there is no detector 'part'",
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str


def answer(kind: str, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem as the response to a request."""
    title = kind.replace("-", " ").capitalize()
    words = printable(detail, keep_lines=True)[:_MOST_CHARACTERS]
    content = {"type": f"urn:urushi:problem:{kind}", "title": title, "status": status, "detail": words, **more}
    return JSONResponse(content, status, dict(headers or {}), MEDIA_TYPE)


def add_handlers(app: FastAPI, presented: Callable[[Request, Response], Response]) -> None:
    """Each exception gives a problem, as it is to be presented; one that is not ours is logged, and told nothing of."""
    handlers: dict[type[Exception], Callable[[Request, Exception], JSONResponse]] = {
        UrushiError: _ours,
        RequestValidationError: _invalid,
        ValidationError: _invalid,
        HTTPException: _of_http,
        OSError: _of_disk,
        OperationalError: _of_database,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, lambda request, error, of=handler: presented(request, of(request, error)))


def of_error(error: UrushiError) -> JSONResponse:
    """The problem that one of our own exceptions is."""
    if isinstance(error, AccessError):
        if error.is_known:
            return answer("forbidden", 403, str(error))
        return answer("unauthorised", 401, str(error), {"WWW-Authenticate": 'Bearer realm="urushi"'})
    status, kind = next((status, kind) for of, status, kind in _STATUSES if isinstance(error, of))
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, BusyError) else None
    return answer(kind, status, str(error), headers)


def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UrushiError)
    return of_error(error)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, (RequestValidationError, ValidationError))
    found = [{"at": ".".join(map(str, one["loc"]))[:200], "reason": str(one["msg"])[:200]} for one in error.errors()]
    detail = "; ".join(f"{one['at']}: {one['reason']}" for one in found[:5])
    return answer("bad-input", 422, detail, errors=found[:20])


def _of_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
    return answer(kind, error.status_code, str(error.detail), error.headers)


def _of_disk(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in _FULL:
        return answer("disk-full", 507, "the disk of the station is full: nothing of this request was kept")
    return _unexpected(request, error)


def _of_database(request: Request, error: Exception) -> JSONResponse:
    reason = getattr(error, "orig", None)
    codes = (getattr(reason, "sqlite_errorcode", None), getattr(reason, "sqlstate", None))
    if codes[0] == sqlite3.SQLITE_FULL or codes[1] == _POSTGRESQL_FULL:
        return answer("disk-full", 507, "the disk of the station is full: nothing of this request was kept")
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logging.getLogger("urushi.serving").error("%s %s", request.method, printable(request.url.path), exc_info=error)
    return answer("unexpected", 500, "an unexpected error, which the station has logged; please report it")

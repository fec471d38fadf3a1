"""What stands before every request: its size, its patience, the headers of its answer, and its time."""

import asyncio
import time
from dataclasses import replace
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urushi.errors import OvertimeError, TooLargeError
from urushi.serving.problems import of_error
from urushi.serving.settings import Limits
from urushi.serving.station import Station

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Guard:
    """ASGI middleware: a body is counted as it comes, whatever its length is said to be."""

    def __init__(self, app: ASGIApp, *, is_tls: bool) -> None:
        self.app = app
        self.headers = _HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if is_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with 413 what states a length beyond the limit; raises TooLargeError where it comes without."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        station: Station = scope["app"].state.station
        start, status, most = time.perf_counter(), 500, _limits(scope, station.limits)

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            app = of_error(_too_large(most)) if _states_more(scope, most) else self.app
            await app(scope, _counted(receive, most), answered)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            station.metrics.requests.labels(method, status).observe(time.perf_counter() - start)


def _limits(scope: Scope, limits: Limits) -> Limits:
    """Of this request: a zip of images to learn from may be larger than other bodies, and goes straight to the disk."""
    kind = dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_zip = kind == b"application/zip" and scope["path"].startswith("/v1/teaching")
    return replace(limits, body_megabytes=max(limits.body_megabytes, limits.zip_megabytes)) if is_zip else limits


def _states_more(scope: Scope, most: Limits) -> bool:
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    return stated.isdigit() and int(stated[:20]) > most.body_bytes


def _counted(receive: Receive, most: Limits) -> Receive:
    n_bytes, is_whole = 0, False

    async def counted() -> Any:
        nonlocal n_bytes, is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), most.idle_seconds)
        except TimeoutError:
            raise OvertimeError(f"nothing came for {most.idle_seconds:g} s: send it again") from None
        n_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if n_bytes > most.body_bytes:
            raise _too_large(most)
        return message

    return counted


def _too_large(most: Limits) -> TooLargeError:
    return TooLargeError(
        f"a request has at most {most.body_megabytes:g} MB; send fewer images at once, or start the station with a "
        "larger --max-body-megabytes"
    )

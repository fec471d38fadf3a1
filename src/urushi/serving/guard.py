"""What stands before every request: its size, its patience, the headers of its answer, and its time."""

import asyncio
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from urushi.errors import OvertimeError, TooLargeError
from urushi.serving.metrics import Metrics
from urushi.serving.problems import of_error
from urushi.serving.settings import Limits

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

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, *, is_tls: bool) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self.headers = _HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if is_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with 413 what states a length beyond the limit; raises TooLargeError where it comes without."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), 500

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if self._states_too_much(scope):
                return await of_error(self._too_large())(scope, receive, answered)
            await self.app(scope, self._counted(receive), answered)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.requests.labels(method, status).observe(time.perf_counter() - start)
        return None

    def _states_too_much(self, scope: Scope) -> bool:
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        return stated.isdigit() and int(stated[:20]) > self.limits.body_bytes

    def _counted(self, receive: Receive) -> Receive:
        n_bytes, is_whole = 0, False

        async def counted() -> Any:
            nonlocal n_bytes, is_whole
            if is_whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.limits.idle_seconds)
            except TimeoutError:
                raise OvertimeError(f"nothing came for {self.limits.idle_seconds:g} s: send it again") from None
            n_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if n_bytes > self.limits.body_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"a request has at most {self.limits.body_megabytes:g} MB; send fewer images at once, or start the station "
            "with a larger --max-body-megabytes"
        )

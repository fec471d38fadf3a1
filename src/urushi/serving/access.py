"""Who sends a request: by its bearer token, or by the cookie of somebody who is logged in on the page.

A browser sends a cookie whoever has written the page that asks. So it is `SameSite=Strict`, and a request with it that
may change something has to come from a page of this very station; one with a token needs no such proof.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from urushi.errors import AccessError
from urushi.serving.station import Station
from urushi.serving.tokens import Caller, Role

_bearer = HTTPBearer(auto_error=False, description="A token that `urushi serve token` has made.")
_SAFE = {"GET", "HEAD", "OPTIONS"}
Found = TypeVar("Found")


def station_of(request: Request) -> Station:
    """The station that the app serves."""
    station: Station = request.app.state.station
    return station


async def caller_of(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Raises AccessError; BusyError after too many wrong tokens from an address."""
    if given is not None:
        if (known := station_of(request).tokens.known(given.credentials)) is not None:
            return known
        return await run_in_threadpool(by_token, request, given.credentials, station_of(request).tokens.caller)
    return await run_in_threadpool(by_cookie, request)


def by_token(request: Request, token: str, find: Callable[[str], Found]) -> Found:
    """What a token gives, while wrong ones of an address are counted; raises AccessError, BusyError."""
    station, address = station_of(request), request.client.host if request.client else ""
    if not station.tokens.is_verified(token):
        station.failed_logins.check(address)
    try:
        return find(token)
    except AccessError:
        station.failed_logins.add(address)
        station.metrics.failed_logins.inc()
        raise


def by_cookie(request: Request) -> Caller:
    """Who is logged in; raises AccessError."""
    if (secret := request.cookies.get(_cookie(request))) is None:
        raise AccessError("send a token: 'Authorization: Bearer urushi-…'; `urushi serve token` makes one")
    require_same_origin(request)
    return station_of(request).sessions.caller(secret)


def require_same_origin(request: Request) -> None:
    """Raises AccessError for a request that may change something and was not sent by a page of this station."""
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    is_ours = site == "same-origin" if site else urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise AccessError("this request was not sent by a page of this station", is_known=True)


def log_in(request: Request, response: Response, token: str) -> None:
    """Begins a session, whose cookie no script can read; raises AccessError, BusyError."""
    secret = by_token(request, token, station_of(request).sessions.begin)
    response.set_cookie(_cookie(request), secret, secure=_is_tls(request), httponly=True, samesite="strict", path="/")


def log_out(request: Request, response: Response) -> None:
    """Ends the session."""
    station_of(request).sessions.end(request.cookies.get(_cookie(request), ""))
    response.delete_cookie(_cookie(request), secure=_is_tls(request), httponly=True, samesite="strict", path="/")


def _cookie(request: Request) -> str:
    """With TLS a browser takes it from this very host only."""
    return "__Host-urushi-session" if _is_tls(request) else "urushi-session"


def _is_tls(request: Request) -> bool:
    return request.url.scheme == "https"


async def _served(request: Request) -> Station:
    return station_of(request)  # what waits for nothing is no work for another thread


def _having(role: Role) -> Callable[[Caller], Awaitable[Caller]]:
    async def having(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        caller.require(role)
        return caller

    return having


Serving = Annotated[Station, Depends(_served)]
Inspecting = Annotated[Caller, Depends(_having("inspect"))]
Reviewing = Annotated[Caller, Depends(_having("review"))]
Administering = Annotated[Caller, Depends(_having("admin"))]

"""Who sends a request, by its bearer token: no cookie is ever set or read, so no other page can send one in a name."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from urushi.errors import AccessError
from urushi.serving.station import Station
from urushi.serving.tokens import Caller, Role

_bearer = HTTPBearer(auto_error=False, description="A token that `urushi serve token` has made.")


def station_of(request: Request) -> Station:
    """The station that the app serves."""
    station: Station = request.app.state.station
    return station


def caller_of(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Raises AccessError; BusyError after too many wrong tokens from an address."""
    if given is None:
        raise AccessError("send a token: 'Authorization: Bearer urushi-…'; `urushi serve token` makes one")
    station = station_of(request)
    address = request.client.host if request.client else ""
    if not station.tokens.is_verified(given.credentials):
        station.failed_logins.check(address)
    try:
        return station.tokens.caller(given.credentials)
    except AccessError:
        station.failed_logins.add(address)
        station.metrics.failed_logins.inc()
        raise


def _having(role: Role) -> Callable[[Caller], Caller]:
    def having(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        caller.require(role)
        return caller

    return having


Serving = Annotated[Station, Depends(station_of)]
Inspecting = Annotated[Caller, Depends(_having("inspect"))]
Reviewing = Annotated[Caller, Depends(_having("review"))]
Administering = Annotated[Caller, Depends(_having("admin"))]

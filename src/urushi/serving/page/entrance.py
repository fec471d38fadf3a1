"""Logging in and out, language and colours, and what a problem looks like to a person."""

import json
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from urushi.errors import AccessError, BusyError
from urushi.serving.access import by_cookie, log_in, log_out, require_same_origin
from urushi.serving.page.form import own
from urushi.serving.page.view import LANGUAGE_COOKIE, THEME_COOKIE, View
from urushi.serving.page.words import Language
from urushi.serving.tokens import Caller

router = APIRouter(include_in_schema=False)
_YEAR_SECONDS = 365 * 24 * 3600
_OF_PROGRAMS = ("/v1/", "/openapi.json", "/metrics", "/static/")

Place = Annotated[str, Form(max_length=2000)]


@router.get("/login")
def login(request: Request, next: str = "/") -> HTMLResponse:
    """Asks for a token."""
    return View(request, None).page("login", next=own(next))


@router.post("/login")
def begin(request: Request, token: Annotated[str, Form(max_length=200)] = "", next: Place = "/") -> Response:
    """Begins a session, or says why not."""
    require_same_origin(request)
    found = RedirectResponse(own(next), 303)
    try:
        log_in(request, found, token.strip())
    except (AccessError, BusyError) as error:
        status = 429 if isinstance(error, BusyError) else 401
        return View(request, None).page("login", status, next=own(next), error=error)
    return found


@router.post("/logout")
def end(request: Request) -> Response:
    """Ends the session."""
    require_same_origin(request)
    found = RedirectResponse("/login", 303)
    log_out(request, found)
    return found


@router.post("/preferences")
def prefer(
    request: Request,
    language: Annotated[Language | None, Form()] = None,
    theme: Annotated[Literal["system", "light", "dark"] | None, Form()] = None,
    next: Place = "/",
) -> Response:
    """Language and colours, which the browser keeps for a year."""
    require_same_origin(request)
    found = RedirectResponse(own(next), 303)
    for name, value in ((LANGUAGE_COOKIE, language), (THEME_COOKIE, theme)):
        if value is not None:
            is_tls = request.url.scheme == "https"
            found.set_cookie(name, value, _YEAR_SECONDS, secure=is_tls, httponly=True, samesite="strict")
    return found


def presented(request: Request, response: Response) -> Response:
    """A problem as a page, where a person looks; who is not logged in is asked to do so."""
    is_asked_by_person = "text/html" in request.headers.get("accept", "")
    if not is_asked_by_person or request.url.path.startswith(_OF_PROGRAMS):
        return response
    if response.status_code == 401:
        if request.method != "GET":
            return RedirectResponse("/login", 303)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': path})}", 303)
    problem = json.loads(bytes(response.body))
    page = View(request, _caller(request)).page("problem", response.status_code, problem=problem)
    page.headers.update({name: value for name, value in response.headers.items() if name == "retry-after"})
    return page


def _caller(request: Request) -> Caller | None:
    try:
        return by_cookie(request)
    except AccessError:
        return None

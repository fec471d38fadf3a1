"""How a page is shown: in whose name, in which language and colours, with which headers."""

from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from urushi.reporting.heat_map import colour_stops
from urushi.reporting.page import environment, to_json
from urushi.serving.access import Administering, Inspecting, Reviewing, station_of
from urushi.serving.database import now
from urushi.serving.page import files
from urushi.serving.page.words import LANGUAGES, Language, Words, preferred
from urushi.serving.station import Station
from urushi.serving.tokens import ROLES, Caller
from urushi.serving.versions import Loaded

LANGUAGE_COOKIE, THEME_COOKIE = "urushi-language", "urushi-theme"
_POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGES = {  # and the role that it takes
    "live": "inspect",
    "gallery": "inspect",
    "review": "review",
    "threshold": "review",
    "trends": "inspect",
    "detectors": "inspect",
    "teach": "admin",
}


class View:
    """Of one request."""

    def __init__(self, request: Request, caller: Caller | None) -> None:
        self.request, self.caller = request, caller
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        accepted = preferred(request.headers.get("accept-language", ""))
        self.language: Language = next((one for one in LANGUAGES if one == chosen), accepted)
        theme = request.cookies.get(THEME_COOKIE)
        self.theme = theme if theme in files.THEMES else "system"
        self.words, self.time = Words(self.language), now()

    @property
    def station(self) -> Station:
        """That is shown."""
        return station_of(self.request)

    def detector(self, name: str | None) -> Loaded:
        """The one that is asked for, or else the first; raises NotFoundError."""
        return self.station.detectors.get(name or self.station.detectors.names()[0])

    @property
    def caller_name(self) -> str:
        """For the audit trail."""
        assert self.caller is not None
        return self.caller.name

    def may(self, role: str) -> bool:
        """Whether who looks has at least this role."""
        return self.caller is not None and ROLES.index(self.caller.role) >= ROLES.index(role)

    def page(self, name: str, status: int = 200, **context: Any) -> HTMLResponse:
        """A page from its template."""
        template = _environment(self.language).get_template(f"{name}.html.j2")
        pages = [page for page, role in _PAGES.items() if self.may(role)]
        text = template.render(view=self, t=self.words, pages=pages, page=name, static=files.root(), **context)
        return HTMLResponse(text, status, {"Content-Security-Policy": _POLICY})


@cache
def _environment(language: Language) -> Environment:
    made, words = environment(PackageLoader("urushi.serving.page")), Words(language)
    made.filters.update(
        number=words.number,
        percent=words.percent,
        times=words.times,
        counted=words.counted,
        query=_query,
        data=lambda value: Markup(to_json(value)),
    )
    made.globals.update(colour_stops=colour_stops())
    return made


def _query(values: dict[str, Any]) -> str:
    """The query of an address, without what is none."""
    return urlencode({name: value for name, value in values.items() if value not in (None, "")})


def address(path: str, values: dict[str, Any]) -> str:
    """With a query, if there is one."""
    return f"{path}?{query}" if (query := _query(values)) else path


def _inspecting(request: Request, caller: Inspecting) -> View:
    return View(request, caller)


def _reviewing(request: Request, caller: Reviewing) -> View:
    return View(request, caller)


def _administering(request: Request, caller: Administering) -> View:
    return View(request, caller)


InspectorView = Annotated[View, Depends(_inspecting)]
ReviewerView = Annotated[View, Depends(_reviewing)]
AdminView = Annotated[View, Depends(_administering)]

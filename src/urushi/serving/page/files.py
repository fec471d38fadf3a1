"""Styles and scripts of the page, below a path that names their content, so that a browser may keep them for good."""

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from fastapi import APIRouter, Response

from urushi.errors import NotFoundError
from urushi.reporting.page import source

router = APIRouter(include_in_schema=False)
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_DARK = "(prefers-color-scheme: dark)"
THEMES = ("system", "light", "dark")


class File(NamedTuple):
    """As it is sent."""

    content: bytes
    kind: str


@cache
def files() -> dict[str, File]:
    """By their names: those beside the templates, and the style of the reports for each theme."""
    folder = resources.files(__package__) / "templates"
    found = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(tuple(_KINDS))}
    for theme, asked in zip(THEMES, (_DARK, "not all", "all"), strict=True):
        found[f"report-{theme}.css"] = source("report.css").replace(_DARK, asked).encode()
    return {name: File(content, _KINDS["." + name.rpartition(".")[2]]) for name, content in sorted(found.items())}


@cache
def root() -> str:
    """The path below which they are."""
    digest = hashlib.sha256(b"".join(one.content for one in files().values())).hexdigest()
    return f"/static/{digest[:16]}"


@router.get("/static/{digest}/{name}")
def file(digest: str, name: str) -> Response:
    """One of them, to whoever asks: nothing of the station is in it."""
    if (found := files().get(name)) is None or root() != f"/static/{digest}":
        raise NotFoundError(f"there is no file {name!r}")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found.content, media_type=found.kind, headers=headers)

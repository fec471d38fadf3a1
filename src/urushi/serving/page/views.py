"""Views of the gallery, kept and changed by forms."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ConfigDict

from urushi.serving.messages.fields import Number, Word
from urushi.serving.page import form as fields
from urushi.serving.page.view import InspectorView, address
from urushi.serving.views import GalleryFilters, ViewRenamed

router = APIRouter(include_in_schema=False)


class Kept(fields.Form, GalleryFilters):
    """A name for what the gallery shows now."""

    model_config = ConfigDict(extra="ignore")

    name: Word


class Renamed(fields.Form, ViewRenamed):
    """Another name."""

    model_config = ConfigDict(extra="ignore")


@router.post("/gallery/views")
def keep(view: InspectorView, asked: Annotated[Kept, Form()]) -> Response:
    """In place of one's own of that name."""
    return _shown(view.station.views.keep(view.caller_name, asked.name, asked).filters)


@router.post("/gallery/views/{number}")
def rename(number: Number, view: InspectorView, asked: Annotated[Renamed, Form()]) -> Response:
    """And shows it."""
    return _shown(view.station.views.rename(view.caller_name, number, asked.name).filters)


@router.post("/gallery/views/{number}/removal")
def remove(number: Number, view: InspectorView) -> Response:
    """And shows what it has shown."""
    return _shown(view.station.views.remove(view.caller_name, number).filters)


def _shown(filters: GalleryFilters) -> Response:
    return RedirectResponse(address("/gallery", filters.kept()), 303)

"""Views of the gallery that a person keeps."""

from typing import Any

from fastapi import APIRouter

from urushi.serving.access import Inspecting, Serving
from urushi.serving.messages.fields import Number
from urushi.serving.views import ViewAsked, ViewFound, ViewRenamed

router = APIRouter(prefix="/v1/views", tags=["views"])


@router.get("", response_model=list[ViewFound], summary="One's own views of the gallery")
def views(station: Serving, caller: Inspecting) -> Any:
    """Those of the token, by their names."""
    return station.views.all(caller.name)


@router.post("", status_code=201, response_model=ViewFound, summary="Keep a view")
def keep(asked: ViewAsked, station: Serving, caller: Inspecting) -> Any:
    """In place of one's own of that name."""
    return station.views.keep(caller.name, asked.name, asked.filters)


@router.patch("/{number}", response_model=ViewFound, summary="Rename a view")
def rename(number: Number, asked: ViewRenamed, station: Serving, caller: Inspecting) -> Any:
    """409 if another one has that name."""
    return station.views.rename(caller.name, number, asked.name)


@router.delete("/{number}", response_model=ViewFound, summary="Remove a view")
def remove(number: Number, station: Serving, caller: Inspecting) -> Any:
    """Gives what it was."""
    return station.views.remove(caller.name, number)

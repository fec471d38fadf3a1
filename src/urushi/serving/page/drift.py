"""Drift: whether what is normal has moved, and how an alarm is acknowledged."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import ConfigDict

from urushi.serving.messages.detectors import AcknowledgeAsked
from urushi.serving.messages.fields import Name
from urushi.serving.page.view import AdminView, View
from urushi.serving.versions import Loaded

router = APIRouter(include_in_schema=False)
_LAST_ALARMS = 10


class Acknowledged(AcknowledgeAsked):
    """How to go on after the alarm of a detector."""

    model_config = ConfigDict(extra="ignore")

    detector: Name


@router.post("/trends/drift")
def acknowledge(view: AdminView, asked: Annotated[Acknowledged, Form()]) -> Response:
    """Begins the test anew."""
    loaded = view.detector(asked.detector)
    view.station.monitors.acknowledge(loaded, view.caller_name, asked.reason, asked.reference)
    return RedirectResponse(f"/trends?detector={asked.detector}#drift", 303)


def drift(view: View, loaded: Loaded) -> dict[str, Any]:
    """How it stands, and the alarms before."""
    monitors = view.station.monitors
    return {"drift": monitors.found(loaded), "alarms": monitors.alarms(loaded.row.detector, _LAST_ALARMS)}

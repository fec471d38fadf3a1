"""Whether the station runs, its figures, and who changed what."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from urushi import __version__
from urushi.serving.access import Administering, Inspecting, Serving
from urushi.serving.history import PAGE
from urushi.serving.messages.operation import ChangeFound, Health
from urushi.serving.metrics import Metrics
from urushi.serving.tables import LARGEST_ID, Change

router = APIRouter(tags=["operation"])


@router.get("/healthz", response_model=Health, summary="Whether it runs")
def health() -> Any:
    """Without a token."""
    return Health(urushi=__version__)


@router.get("/readyz", response_model=Health, summary="Whether it can inspect")
def ready(station: Serving) -> Any:
    """Without a token: its database answers, and its detectors are loaded."""
    for name in station.detectors.names():
        station.detectors.get(name)
    return Health(urushi=__version__)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "urushi_queue_images 0.0"}}, "description": "Figures."}},
    summary="Figures for Prometheus",
)
def metrics(station: Serving, _caller: Inspecting) -> Response:
    """In its text format."""
    return Response(station.metrics.text(), media_type=Metrics.content_type)


@router.get("/v1/changes", response_model=list[ChangeFound], summary="The audit trail")
def changes(
    station: Serving,
    _caller: Administering,
    before: Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="The id of the last line seen.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = PAGE,
) -> Any:
    """Who changed detector, threshold, verdict or token, last first."""
    rows = select(Change) if before is None else select(Change).where(Change.id < before)
    with station.database.reading() as session:
        found = session.scalars(rows.order_by(Change.id.desc()).limit(limit)).all()
    names = ChangeFound.model_fields
    return [{name: getattr(row, name) for name in names} for row in found]

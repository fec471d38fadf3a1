"""Review: verdicts, and what is made of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from urushi.calibration import Plant
from urushi.serving import history, review
from urushi.serving.access import Administering, Inspecting, Reviewing, Serving
from urushi.serving.history import PAGE
from urushi.serving.messages.detectors import DetectorFound
from urushi.serving.messages.fields import Number
from urushi.serving.messages.figures import WhatIfFound
from urushi.serving.messages.inspections import InspectionFound, VerdictAsked, VerdictSaid
from urushi.serving.messages.review import ApplyAsked, LearnAsked, PreviewFound, RecalibrationAsked
from urushi.serving.review import Recalibration
from urushi.serving.routes.detectors import Name, found
from urushi.serving.what_if import WhatIf

router = APIRouter(prefix="/v1", tags=["review"])


@router.post(
    "/inspections/{number}/verdicts", status_code=201, response_model=InspectionFound, summary="Give a verdict"
)
def judge(number: Number, asked: VerdictAsked, station: Serving, caller: Reviewing) -> Any:
    """A later one takes the place of those before, which are kept."""
    row = station.review.judge(number, author=caller.name, **asked.model_dump())
    station.metrics.verdicts.labels(row.detector, asked.verdict).inc()
    return history.plain(row)


@router.get("/inspections/{number}/verdicts", response_model=list[VerdictSaid], summary="All its verdicts")
def verdicts(number: Number, station: Serving, _caller: Inspecting) -> Any:
    """From the first to the last."""
    return [history.said(verdict) for verdict in station.history.get(number).verdicts]


@router.get("/detectors/{name}/borderline", response_model=list[InspectionFound], summary="What to review first")
def borderline(
    name: Name, station: Serving, _caller: Reviewing, limit: Annotated[int, Query(ge=1, le=500)] = PAGE
) -> Any:
    """Inspections without a verdict whose scores are nearest to the threshold."""
    return [history.plain(row) for row in station.review.borderline(station.detectors.get(name), limit)]


@router.get("/detectors/{name}/what-if", response_model=WhatIfFound, summary="What other thresholds would do")
def what_if(
    name: Name,
    station: Serving,
    _caller: Reviewing,
    prevalence: Annotated[float | None, Query(gt=0, lt=1, examples=[0.01])] = None,
    escape_cost: Annotated[float | None, Query(gt=0, examples=[50])] = None,
    false_alarm_cost: Annotated[float | None, Query(gt=0, examples=[1])] = None,
) -> Any:
    """Over all scores; with the share of defective parts and both costs, what 1,000 parts would cost as well."""
    loaded = station.detectors.get(name)
    plant = None if prevalence is None else Plant(prevalence, escape_cost, false_alarm_cost)
    return WhatIfFound.of(WhatIf(loaded, station.review.seen(loaded, Recalibration()), plant))


@router.post(
    "/detectors/{name}/recalibration/preview",
    response_model=PreviewFound,
    summary="What another threshold would change",
)
def preview(name: Name, asked: RecalibrationAsked, station: Serving, _caller: Reviewing) -> Any:
    """Chosen anew with the scores of images that have the verdict NG; nothing is changed."""
    loaded = station.detectors.get(name)
    return {"version": loaded.row.number, **review.plain(station.review.preview(loaded, asked.recalibration()))}


@router.post("/detectors/{name}/recalibration", status_code=201, response_model=DetectorFound, summary="Re-calibrate")
def apply(name: Name, asked: ApplyAsked, station: Serving, caller: Administering) -> Any:
    """As previewed, as a new version that decides from the next image on; 409 if `version` decides no more."""
    loaded = station.detectors.version(name, asked.version)
    return found(station.review.apply(loaded, asked.recalibration(), caller.name, asked.reason))


@router.post(
    "/detectors/{name}/good-images", status_code=201, response_model=DetectorFound, summary="Learn good images"
)
def learn(name: Name, asked: LearnAsked, station: Serving, caller: Administering) -> Any:
    """Images with the verdict OK, or all false alarms, as a new version; needs PyTorch, and takes its time."""
    loaded = station.detectors.version(name, asked.version)
    return found(station.review.learn(loaded, asked.inspections, caller.name, asked.reason))

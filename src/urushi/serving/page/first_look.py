"""The first look at what was learnt, before it decides anything."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response

from urushi.errors import NotFoundError
from urushi.evaluation.intervals import wilson
from urushi.reporting.histogram import Lane, bin_edges, lane, score_axis
from urushi.serving.messages.fields import Number
from urushi.serving.messages.jobs import JobFound
from urushi.serving.page.teaching import MOST_SHOWN
from urushi.serving.page.view import AdminView, View
from urushi.serving.teaching.looks import PICTURE
from urushi.serving.teaching.sets import TeachingSet
from urushi.serving.versions import Loaded

router = APIRouter(include_in_schema=False)


@router.get("/teach/jobs/{number}")
def first_look(number: Number, view: AdminView) -> HTMLResponse:
    """At what a job has made, before it decides anything."""
    job, loaded = _made(view, number)
    threshold, scores = loaded.detector.threshold, loaded.detector.held_out.scores
    axis = score_axis(scores, [], threshold.value)
    assert axis is not None
    lanes: list[Lane] = [lane(view.words("of_held_out"), scores, axis, bin_edges(axis, threshold.value))]
    learnt = _learnt(view, job)
    n_above = sum(score > threshold.value for score in scores)
    return view.page(
        "first_look",
        job=job,
        loaded=loaded,
        threshold=threshold,
        n_above=n_above,
        n_held_out=len(scores),
        interval=wilson(n_above, len(scores)),
        axis=axis,
        lanes=lanes,
        place=axis.place(threshold.value),
        deciding=view.station.detectors.deciding(job.detector),
        suspects=_suspects(loaded, learnt)[:MOST_SHOWN],
        look=view.station.jobs.looks.get(number),
        names={} if learnt is None else learnt.images,
        most=MOST_SHOWN,
    )


@router.get("/teach/jobs/{number}/{file}")
def picture(number: Number, file: Annotated[str, InPath(pattern=f"^{PICTURE}$")], view: AdminView) -> Response:
    """A picture of the first look."""
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(view.station.jobs.looks.picture(number, file), media_type="image/webp", headers=headers)


def _made(view: View, number: int) -> tuple[JobFound, Loaded]:
    job = JobFound.of(view.station.jobs.get(number))
    if job.version is None:
        raise NotFoundError(f"job {number} has made no detector")
    return job, view.station.detectors.version(job.detector, job.version)


def _learnt(view: View, job: JobFound) -> TeachingSet | None:
    """The set that was learnt, if it is still there."""
    try:
        return view.station.teaching.get(job.asked["teaching"]) if job.asked.get("teaching") else None
    except NotFoundError:
        return None


def _suspects(loaded: Loaded, learnt: TeachingSet | None) -> list[tuple[str, float]]:
    """Names and p-values of learnt images that look as if they were not good; numbers where the set has changed."""
    facts: Mapping[str, Any] = loaded.detector.card["fit"]
    names = [] if learnt is None else [learnt.images[kept_as] for kept_as in sorted(learnt.images)]
    is_same = facts.get("n_images") == len(names)
    return [
        (names[one["image"]] if is_same else f"#{one['image'] + 1}", one["p_value"])
        for one in facts.get("suspicious", [])
    ]

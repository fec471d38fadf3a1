"""Teach: good images brought or of the history, what is odd about them, a fit, and a first look before it goes live."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from urushi.data.stream import evenly
from urushi.errors import NotFoundError
from urushi.reporting.histogram import Lane, bin_edges, lane, score_axis
from urushi.serving import evidence
from urushi.serving.database import now
from urushi.serving.jobs import Asked
from urushi.serving.messages import JobFound, Name, Number, Sentence, Word
from urushi.serving.page import form as fields
from urushi.serving.page.detectors import jobs
from urushi.serving.page.looking import HOURS
from urushi.serving.page.view import AdminView, View
from urushi.serving.teaching.recipes import RECIPES
from urushi.serving.teaching.sets import DAYS, ID, TeachingSet
from urushi.serving.uploads import brought
from urushi.serving.versions import Loaded

router = APIRouter(include_in_schema=False)
_N_PICTURES = 6
_MOST_SHOWN = 20  # of names, in each list

SetId = Annotated[str, Field(pattern=f"^{ID}$")]
Kept = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}\.[a-z]{3,5}$")]


class Taught(fields.Form):
    """What a form asks to be learnt; what was left empty comes as ''."""

    detector: Name
    reason: Sentence
    recipe: Annotated[str, Field(pattern=f"^({'|'.join(RECIPES)})$")] = "accurate"
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    teaching: SetId | None = None
    source: Name | None = None
    tag: Word | None = None
    hours: Annotated[int, Field(ge=1, le=10_000)] | None = None

    def asked(self) -> Asked:
        """A fit that does not go live by itself; raises InputError."""
        since = None if self.hours is None else now() - timedelta(hours=self.hours)
        said = self.model_dump(exclude={"recipe", "hours"})
        return Asked(kind="fit", recipe=RECIPES[self.recipe], since=since, goes_live=False, **said)


@router.get("/teach")
def teach(view: AdminView, teaching: SetId | None = None) -> HTMLResponse:
    """All of it on one page; of a set that is asked for what is in it."""
    station, sets = view.station, view.station.teaching
    chosen = None if teaching is None else sets.get(teaching)
    return view.page(
        "teach",
        chosen=chosen,
        findings=None if chosen is None else sets.findings(chosen.id),
        sets=sets.all(),
        days=DAYS,
        names=station.detectors.names(),
        recipes=RECIPES,
        hours=HOURS,
        most=_MOST_SHOWN,
        **_jobs(view),
    )


@router.post("/teach/images")
async def bring(view: AdminView, request: Request) -> Response:
    """Images or a zip as a new set, from a form that no script sends."""
    station = view.station
    files = await brought(request, station.objects, station.limits)
    made = await run_in_threadpool(station.teaching.begin, view.caller_name, files)
    return RedirectResponse(f"/teach?teaching={made.id}#found", 303)


@router.post("/teach/removal")
def remove(view: AdminView, teaching: Annotated[SetId, Form()]) -> Response:
    """A set with its images."""
    view.station.teaching.remove(teaching, view.caller_name)
    return RedirectResponse("/teach", 303)


@router.post("/teach/fit")
def fit(view: AdminView, asked: Annotated[Taught, Form()]) -> Response:
    """Begins a job."""
    view.station.jobs.begin(asked.asked(), view.caller_name)
    return RedirectResponse("/teach#jobs", 303)


@router.get("/teach/jobs/{number}")
def first_look(number: Number, view: AdminView) -> HTMLResponse:
    """At what a job has made, before it decides anything."""
    job, loaded = _made(view, number)
    threshold, scores = loaded.detector.threshold, loaded.detector.held_out.scores
    axis = score_axis(scores, [], threshold.value)
    assert axis is not None
    lanes: list[Lane] = [lane(view.words("of_held_out"), scores, axis, bin_edges(axis, threshold.value))]
    learnt = _learnt(view, job)
    shown = [] if learnt is None else evenly(sorted(learnt.images), _N_PICTURES)
    return view.page(
        "first_look",
        job=job,
        loaded=loaded,
        threshold=threshold,
        n_above=sum(score > threshold.value for score in scores),
        n_held_out=len(scores),
        axis=axis,
        lanes=lanes,
        place=axis.place(threshold.value),
        deciding=view.station.detectors.deciding(job.detector),
        suspects=_suspects(loaded, learnt)[:_MOST_SHOWN],
        pictures=[(name, learnt.images[name]) for name in shown] if learnt else [],
    )


@router.get("/teach/jobs/{number}/{kept}")
def picture(number: Number, kept: Kept, view: AdminView) -> Response:
    """A learnt image under the heat map of what a job has made."""
    job, loaded = _made(view, number)
    learnt = _learnt(view, job)
    if learnt is None or kept not in learnt.images:
        raise NotFoundError("this image is not there any more")
    found = loaded.detector.inspect(view.station.teaching.images(learnt.id) / kept)
    return Response(evidence.thumbnail_of(found), media_type="image/webp")


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


def _jobs(view: View) -> dict[str, Any]:
    """Those of the page, and words that its script shows."""
    found = jobs(view)
    words = {key: view.words(key) for key in ("sending", "looking_at_images", "not_sent")}
    return found | {"data": found["data"] | {"words": words}}

"""Teach: good images brought or of the history, what is odd about them, what of them counts, and a fit."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BeforeValidator, Field, Json
from starlette.concurrency import run_in_threadpool

from urushi.data.images import read_image
from urushi.data.stream import evenly
from urushi.errors import NotFoundError
from urushi.reporting.pictures import webp
from urushi.serving import evidence
from urushi.serving.database import now
from urushi.serving.history import Query
from urushi.serving.jobs import Asked
from urushi.serving.messages.fields import Name, Number, Sentence, Word
from urushi.serving.page import form as fields
from urushi.serving.page.detectors import jobs
from urushi.serving.page.looking import HOURS
from urushi.serving.page.view import AdminView, View
from urushi.serving.tables import Inspected
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.gathering import chosen, good_ones, received
from urushi.serving.teaching.recipes import RECIPES
from urushi.serving.teaching.sets import DAYS, ID, TeachingSet
from urushi.serving.uploads import brought

router = APIRouter(include_in_schema=False)
MOST_SHOWN = 20  # of names, in each list
_N_TO_DRAW_ON = 8
_PICTURE_PX, _PICTURE_BYTES = 1000, 150_000
_OF_AREA = ("area_ignore", "area_inspect", "area_counts", "area_point", "area_removed", "delete")
_MOST_CHARACTERS = 60_000  # of an area

SetId = Annotated[str, Field(pattern=f"^{ID}$")]
Kept = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}\.[a-z]{3,5}$")]


def _short(text: Any) -> Any:
    """Raises ValueError before anything reads what no area is as long as."""
    if isinstance(text, str) and len(text) > _MOST_CHARACTERS:
        raise ValueError(f"an area has at most {_MOST_CHARACTERS:,} characters")
    return text


class Gathered(fields.Form):
    """Which good images of the history."""

    source: Name
    tag: Word | None = None
    hours: Annotated[int, Field(ge=1, le=10_000)] | None = None
    only_judged: bool = False

    def query(self) -> Query:
        """As the history takes it."""
        since = None if self.hours is None else now() - timedelta(hours=self.hours)
        return Query(detector=self.source, tag=self.tag, since=since)


class Taught(fields.Form):
    """What a form asks to be learnt; what was left empty comes as ''."""

    detector: Name
    reason: Sentence
    recipe: Annotated[str, Field(pattern=f"^({'|'.join(RECIPES)})$")] = "accurate"
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    teaching: SetId
    area: Annotated[Json[Area] | None, BeforeValidator(_short)] = None

    def asked(self) -> Asked:
        """A fit that does not go live by itself; raises InputError."""
        said = dict(self) | {"recipe": RECIPES[self.recipe]}
        return Asked(kind="fit", goes_live=False, **said)


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
        most=MOST_SHOWN,
        to_draw_on=[] if chosen is None else evenly(sorted(chosen.images), _N_TO_DRAW_ON),
        **_jobs(view),
    )


@router.post("/teach/images")
async def bring(view: AdminView, request: Request) -> Response:
    """Images or a zip as a new set, from a form that no script sends."""
    station = view.station
    files = await brought(request, station.objects, station.limits)
    return _shown(await run_in_threadpool(station.teaching.begin, view.caller_name, files))


@router.post("/teach/history")
def gather(view: AdminView, asked: Annotated[Gathered, Form()]) -> Response:
    """Good images of the history as a new set."""
    view.station.detectors.get(asked.source)
    rows = good_ones(view.station.history, asked.query(), only_judged=asked.only_judged)
    return _begun(view, rows)


@router.post("/teach/inspections")
def gather_chosen(view: AdminView, id: Annotated[list[Number], Form()]) -> Response:
    """Inspections that were chosen one by one as a new set."""
    return _begun(view, chosen(view.station.history, id))


@router.get("/teach/sets/{number}/{kept}")
def image(number: Annotated[str, InPath(pattern=f"^{ID}$")], kept: Kept, view: AdminView) -> Response:
    """An image of a set, as large as it is drawn on."""
    found = view.station.teaching.get(number)
    if kept not in found.images:
        raise NotFoundError("this image is not there any more")
    picture = evidence.scaled(read_image(view.station.teaching.images(number) / kept), _PICTURE_PX)
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(webp(picture, _PICTURE_BYTES), media_type="image/webp", headers=headers)


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


def _begun(view: View, rows: Iterable[Inspected]) -> Response:
    station = view.station
    files = received(rows, station.history, station.objects, station.limits.teaching_images)
    return _shown(station.teaching.begin(view.caller_name, files))


def _shown(made: TeachingSet) -> Response:
    return RedirectResponse(f"/teach?teaching={made.id}#found", 303)


def _jobs(view: View) -> dict[str, Any]:
    """Those of the page, and words that its script shows."""
    found = jobs(view)
    words = {key: view.words(key) for key in ("sending", "looking_at_images", "not_sent", *_OF_AREA)}
    return found | {"data": found["data"] | {"words": words}}

"""Trends: scores, yield, false alarms and latency, by hour, day, shift or station."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from urushi.reporting.histogram import Axis
from urushi.serving import history
from urushi.serving.database import now
from urushi.serving.messages.fields import Name
from urushi.serving.page.drift import drift
from urushi.serving.page.view import InspectorView, View
from urushi.serving.trends import By, Group, trends

router = APIRouter(include_in_schema=False)
WINDOWS = (8, 24, 168, 720, 2160)  # hours
_Ends = tuple[float, float, float]  # low, middle, high


class Point(NamedTuple):
    """Where a group lies in a chart, in per cent from the left and from the top."""

    x: float
    low: float
    middle: float
    high: float
    told: str


@dataclass(frozen=True)
class Chart:
    """Points with whiskers over the groups."""

    key: str  # of its title
    points: list[Point]
    ticks: list[tuple[float, str]]
    line: float | None = None  # of the threshold


@router.get("/trends")
def page(
    view: InspectorView,
    detector: Name | None = None,
    by: By = "hour",
    hours: Annotated[int, Query(ge=1, le=100_000)] = 168,
) -> HTMLResponse:
    """Charts, and the same as a table."""
    loaded, since = view.detector(detector), now() - timedelta(hours=hours)
    name = loaded.row.detector
    groups = trends(view.station.database, history.Query(detector=name, since=since), by)
    return view.page(
        "trends",
        detector=name,
        names=view.station.detectors.names(),
        by=by,
        hours=hours,
        windows=WINDOWS,
        groups=[(_begin(one, by), one) for one in groups],
        charts=list(_charts(view, groups, loaded.detector.threshold.value)),
        window=timedelta(hours=1) if by == "hour" else timedelta(days=1),
        **drift(view, loaded),
    )


def _charts(view: View, groups: list[Group], threshold: float) -> Sequence[Chart]:
    t, ms = view.words, 1000
    scores = [one.scores and tuple(one.scores) for one in groups]
    shares = [None if one.yielded.low is None else _ends(one.yielded) for one in groups]
    alarms = [None if one.false_alarms.low is None else _ends(one.false_alarms) for one in groups]
    seconds = [one.seconds and tuple(ms * value for value in one.seconds) for one in groups]
    found = (
        _chart("scores_over_time", scores, t.number, line=threshold),
        _chart("yield_over_time", shares, t.percent, span=(0, 1)),
        _chart("alarms_over_time", alarms, t.percent, span=(0, 1)),
        _chart("latency_over_time", seconds, lambda value: f"{t.number(value, 3)} ms", span=(0, 0)),
    )
    return [one for one in found if one.points]


def _ends(share: Any) -> _Ends:
    return share.low, share.n / share.of, share.high


def _chart(
    key: str,
    values: Sequence[Any],
    shown: Callable[[float], str],
    *,
    span: tuple[float, float] | None = None,
    line: float | None = None,
) -> Chart:
    """`span` is shown at least."""
    known = [one for one in values if one]
    if not known:
        return Chart(key, [], [])
    ends = [value for one in known for value in one] + list(span or ()) + ([line] if line is not None else [])
    margin = 0.04 * (max(ends) - min(ends)) or 1.0
    is_share = span == (0, 1)
    axis = Axis(0.0, 1.0, False) if is_share else Axis(min(ends) - margin, max(ends) + margin, False)
    points = [
        Point(
            100 * (at + 0.5) / len(values),
            100 - axis.place(one[0]),
            100 - axis.place(one[1]),
            100 - axis.place(one[2]),
            f"{shown(one[1])} ({shown(one[0])} – {shown(one[2])})",
        )
        for at, one in enumerate(values)
        if one
    ]
    ticks = [(100 - place, shown(value)) for place, value in axis.ticks()]
    return Chart(key, points, ticks, None if line is None else 100 - axis.place(line))


def _begin(group: Group, by: By) -> datetime | None:
    return datetime.fromisoformat(group.name) if group.name and by in ("hour", "day") else None
